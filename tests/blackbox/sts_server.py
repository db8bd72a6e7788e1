# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""A server of MTA-STS policies for tests (RFC 8461 section 3.3), by HTTPS on port 443 of an address."""
import http.server
import ssl
import threading


def policy(mode, *hosts, age=86400):
    return "".join(f"{line}\r\n" for line in ["version: STSv1", f"mode: {mode}", *(f"mx: {host}" for host in hosts), f"max_age: {age}"])


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        host = self.headers["Host"]
        self.server.fetched.append(host)
        self.answer(host, self.server.policies[host])

    def answer(self, host, text, kind="text/plain"):
        self.send_response(200 if self.path == "/.well-known/mta-sts.txt" else 404)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


class StsServer(http.server.ThreadingHTTPServer):
    """`policies`: {host: text}, which may change; `fetched` has the host of each request."""
    daemon_threads = True

    def __init__(self, address, policies, certificate, key, handler=Handler, port=443):
        super().__init__((address, port), handler)
        self.policies, self.fetched = policies, []
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, key)
        self.socket = self.context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_):
        """Clients that do not like the certificate."""
