/*
 * options.c
 *		Compiled into sanitized builds of the shim only.
 *
 * The shim starts with an empty environment, so the options cannot come from
 * there.  Leaks are not looked for: the program serves one run and ends.
 */
const char *__asan_default_options(void);

const char *
__asan_default_options(void)
{
	return "detect_leaks=0:detect_stack_use_after_return=1";
}
