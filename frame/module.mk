# Sources of libframe.a: what the four daemons share: parent, key and auth processes, roles, the front, the login.
frame_SRC := \
	frame/account_name.c \
	frame/address_table.c \
	frame/alias_parse.c \
	frame/aliases.c \
	frame/asked.c \
	frame/auth_cache.c \
	frame/auth_client.c \
	frame/conf_check.c \
	frame/conf_check_files.c \
	frame/daemon.c \
	frame/front.c \
	frame/grants.c \
	frame/known_accounts.c \
	frame/login.c \
	frame/login_sleep.c \
	frame/parent_account.c \
	frame/parent_child.c \
	frame/parent_connect.c \
	frame/parent_exec.c \
	frame/parent_files.c \
	frame/parent_listen.c \
	frame/parent_reload.c \
	frame/parent_template.c \
	frame/parent_worker.c \
	frame/proc_auth.c \
	frame/proc_key.c \
	frame/proc_parent.c \
	frame/rate.c \
	frame/read_file.c \
	frame/recipient.c \
	frame/role.c \
	frame/sasl_parse.c \
	frame/srs.c \
	frame/srs_file.c \
	frame/template.c \
	frame/verifier.c
