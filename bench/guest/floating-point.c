/* Planets, a system of linear equations, the Mandelbrot set, a filter in single precision. */
#include <math.h>
#include <string.h>

#include "workload.h"

struct body {
	double x[3], v[3], mass;
};

static void advance(struct body *bodies, int count, double dt)
{
	for (int i = 0; i < count; i++) {
		for (int j = i + 1; j < count; j++) {
			double d[3], square = 0, magnitude;

			for (int k = 0; k < 3; k++) {
				d[k] = bodies[i].x[k] - bodies[j].x[k];
				square += d[k] * d[k];
			}
			magnitude = dt / (square * sqrt(square));
			for (int k = 0; k < 3; k++) {
				bodies[i].v[k] -= d[k] * bodies[j].mass * magnitude;
				bodies[j].v[k] += d[k] * bodies[i].mass * magnitude;
			}
		}
	}
	for (int i = 0; i < count; i++)
		for (int k = 0; k < 3; k++)
			bodies[i].x[k] += dt * bodies[i].v[k];
}

static double planets(void)
{
	struct body bodies[5] = {
		{ { 0, 0, 0 }, { 0, 0, 0 }, 39.47841760435743 },
		{ { 4.84143144246472090, -1.16032004402742839, -0.103622044471123109 },
		  { 0.606326392995832, 2.81198684491626, -0.02521836165988763 }, 0.03769367487038949 },
		{ { 8.34336671824457987, 4.12479856412430479, -0.403523417114321381 },
		  { -1.01077434617879, 1.82566237123041, 0.00841576137658415 }, 0.011286326131968767 },
		{ { 12.8943695621391310, -15.1111514016986312, -0.223307578892655734 },
		  { 1.08279100644154, 0.868713018169608, -0.0108326374013636 }, 0.0017237240570597112 },
		{ { 15.3796971148509165, -25.9193146099879641, 0.179258772950371181 },
		  { 0.979090732243898, 0.594698998647676, -0.034755955550407 }, 0.0020336868699246304 },
	};

	for (int i = 0; i < 300000; i++)
		advance(bodies, 5, 0.01);
	return bodies[0].x[0] + bodies[1].v[1];
}

#define SIDE 96

static double equations(void)
{
	static double a[SIDE][SIDE];
	uint64_t random = 5;
	double product = 0;

	for (int round = 0; round < 60; round++) {
		for (int i = 0; i < SIDE; i++)
			for (int j = 0; j < SIDE; j++)
				a[i][j] = (double)(int64_t)next_random(&random) * 0x1p-63 + (i == j ? 8 : 0);
		for (int k = 0; k < SIDE; k++) {
			for (int i = k + 1; i < SIDE; i++) {
				double factor = a[i][k] / a[k][k];

				for (int j = k; j < SIDE; j++)
					a[i][j] -= factor * a[k][j];
			}
		}
		for (int i = 0; i < SIDE; i++)
			product += log2(fabs(a[i][i]));
	}
	return product;
}

static double mandelbrot(void)
{
	int inside = 0;

	for (int row = 0; row < 160; row++) {
		for (int column = 0; column < 160; column++) {
			double cr = column / 64.0 - 2, ci = row / 64.0 - 1.25, r = 0, i = 0;
			int n = 0;

			while (n < 200 && r * r + i * i < 4) {
				double next = r * r - i * i + cr;

				i = 2 * r * i + ci;
				r = next;
				n++;
			}
			inside += n;
		}
	}
	return inside;
}

static double filter(void)
{
	static float in[4096], out[4096];
	static const float taps[16] = { 0.01f, 0.02f, 0.04f, 0.06f, 0.08f, 0.09f, 0.1f, 0.1f,
					0.1f,  0.1f,  0.09f, 0.08f, 0.06f, 0.04f, 0.02f, 0.01f };
	float sum = 0;

	for (int i = 0; i < 4096; i++)
		in[i] = (float)((i * 37) % 101) / 101.0f;
	for (int round = 0; round < 150; round++) {
		for (int i = 0; i + 16 <= 4096; i++) {
			float value = 0;

			for (int k = 0; k < 16; k++)
				value += in[i + k] * taps[k];
			out[i] = value;
		}
		sum += out[round];
		memcpy(in, out, sizeof in / 2);
	}
	return sum;
}

uint64_t floating_point(void)
{
	double parts[4] = { planets(), equations(), mandelbrot(), filter() };
	uint64_t sum = 0;

	for (int i = 0; i < 4; i++) {
		uint64_t bits;

		memcpy(&bits, &parts[i], sizeof bits);
		sum = sum * 31 + bits;
	}
	return sum;
}
