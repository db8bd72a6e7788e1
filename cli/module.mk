# The tools: cli/<tool>.c is one; <tool>_EXTRA names what else it is made of.
cli_TOOLS += mailuser
mailuser_EXTRA := cli/tool.c
