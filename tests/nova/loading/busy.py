# SPDX-License-Identifier: Apache-2.0
"""A Placement that is there and always busy, as a program that says its port.

It is a process of its own: where Nova's tests run on eventlet, a thread of theirs
that serves may keep all others waiting.
"""

import http.server
import json


class Busy(http.server.BaseHTTPRequestHandler):
    """Tells its versions, and nothing else."""

    def do_GET(self):
        links = [{'rel': 'self', 'href': ''}]
        version = {'id': 'v1.0', 'min_version': '1.0', 'max_version': '1.39'}
        versions = [version | {'status': 'CURRENT', 'links': links}]
        body = json.dumps({'versions': versions}).encode()
        self.send_response(200 if self.path == '/' else 503)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        self.do_GET()

    def do_PUT(self):
        self.do_GET()

    def log_message(self, *args):
        return


if __name__ == '__main__':
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Busy)
    print(server.server_port, flush=True)  # noqa: T201 - for whoever started it
    server.serve_forever()
