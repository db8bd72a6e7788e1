# Sources of libsieve.a: the mail filter language, its compiler and its interpreter.
sieve_SRC := \
	sieve/answer.c \
	sieve/arena.c \
	sieve/compile.c \
	sieve/compile_check.c \
	sieve/flags.c \
	sieve/lex.c \
	sieve/match.c \
	sieve/notify.c \
	sieve/parse.c \
	sieve/program.c \
	sieve/protected.c \
	sieve/run.c \
	sieve/run_actions.c \
	sieve/run_body.c \
	sieve/run_date.c \
	sieve/run_edit.c \
	sieve/run_header.c \
	sieve/run_match.c \
	sieve/run_tests.c \
	sieve/run_text.c \
	sieve/table.c \
	sieve/text.c \
	sieve/vacation.c \
	sieve/variables.c
