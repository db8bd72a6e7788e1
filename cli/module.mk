# The tools: cli/<tool>.c is one; <tool>_EXTRA names what else it is made of.
cli_TOOLS += mailuser mailstore
mailuser_EXTRA := cli/tool.c
mailstore_EXTRA := cli/tool.c
