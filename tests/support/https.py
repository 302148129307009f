"""A server on this machine for what the services call outside of the mesh."""

import http.server
import threading


class HttpsServer:
    """Takes POSTs over TLS, on a free port, each connection on a thread of its own."""

    def __init__(self, context, handle):
        """`handle(path, headers, body)` returns status and body; `headers` by their names in lower case."""

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                status, answer = handle(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
                try:
                    self.send_response(status)
                    self.send_header("content-length", str(len(answer)))
                    self.end_headers()
                    self.wfile.write(answer)
                except OSError:
                    pass  # Whoever posted it has gone.

            def log_message(self, *arguments):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def url(self, path=""):
        return f"https://localhost:{self._server.server_port}{path}"

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
