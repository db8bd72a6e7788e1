# Sources of libwebmaild.a: the http, session and render roles.
webmaild_SRC := \
	webmaild/html_css.c \
	webmaild/html_sanitize.c \
	webmaild/html_text.c \
	webmaild/html_url.c \
	webmaild/http_auth.c \
	webmaild/http_conn.c \
	webmaild/http_fields.c \
	webmaild/http_files.c \
	webmaild/http_h2.c \
	webmaild/http_logins.c \
	webmaild/http_parse.c \
	webmaild/http_proxy.c \
	webmaild/http_response.c \
	webmaild/http_route.c \
	webmaild/jmap_args.c \
	webmaild/jmap_core.c \
	webmaild/jmap_json.c \
	webmaild/proc_http.c \
	webmaild/proc_render.c \
	webmaild/webmaild.c
