/* Processes that end at once, started the way a shell does it: fork, exec, wait, with a pipe between. */
#include <sys/wait.h>
#include <unistd.h>

#include "workload.h"

uint64_t fork_exec(void)
{
	uint64_t sum = 0;

	for (int i = 0; i < 700; i++) {
		int ends[2], status = 0;
		uint8_t byte = 0;
		pid_t child;

		if (pipe(ends) != 0)
			return 0;
		child = fork();
		if (child == 0) {
			byte = (uint8_t)i;
			if (write(ends[1], &byte, 1) != 1)
				_exit(1);
			execl("/init", "/init", "nothing", (char *)NULL);
			_exit(127);
		}
		if (read(ends[0], &byte, 1) != 1)
			return 0;
		close(ends[0]);
		close(ends[1]);
		waitpid(child, &status, 0);
		sum = sum * 31 + byte + (uint64_t)status;
	}
	return sum;
}
