/*
 * First process of the bench's guest: runs every workload in a process of its own and says on the console when each
 * begins and ends. Started with the name of a workload it is that process; started with "nothing" it ends at once.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <unistd.h>

#include "workload.h"

static const struct {
	const char *name;
	uint64_t (*run)(void);
} WORKLOADS[] = {
	{ "integer", integer },
	{ "hash", hash },
	{ "compression", compression },
	{ "floating-point", floating_point },
	{ "pointer-chasing", pointer_chasing },
	{ "fork-and-exec", fork_exec },
};
#define WORKLOAD_COUNT (sizeof WORKLOADS / sizeof WORKLOADS[0])

static int run_one(const char *name)
{
	for (unsigned i = 0; i < WORKLOAD_COUNT; i++) {
		if (strcmp(name, WORKLOADS[i].name) == 0) {
			printf("bench: sum %s %016llx\n", name, (unsigned long long)WORKLOADS[i].run());
			return 0;
		}
	}
	fprintf(stderr, "bench: no workload %s\n", name);
	return 2;
}

int main(int argc, char **argv)
{
	if (argc > 1)
		return strcmp(argv[1], "nothing") == 0 ? 0 : run_one(argv[1]);
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("bench: ready\n");
	for (unsigned i = 0; i < WORKLOAD_COUNT; i++) {
		int status = 0;
		pid_t child;

		printf("bench: begin %s\n", WORKLOADS[i].name);
		child = fork();
		if (child == 0) {
			execl("/init", "/init", WORKLOADS[i].name, (char *)NULL);
			_exit(127);
		}
		waitpid(child, &status, 0);
		printf("bench: end %s %d\n", WORKLOADS[i].name, status);
	}
	printf("bench: done\n");
	sleep(1);
	reboot(RB_POWER_OFF);
	return 0;
}
