"""A server of S3's protocol for s3-store.ts: moto, one request at a time.

    pip install "moto[s3]" flask flask-cors
    python test/reliability/s3-server.py 9900

It listens on this machine alone and has a bucket called "loragen". moto_server itself answers requests side by side, and looks at a
condition and writes in two steps: of two conditional writes at the same moment both can succeed, which S3 promises will not happen.
"""

import sys
import threading

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple
from werkzeug.test import Client

lock = threading.Lock()
moto = DomainDispatcherApplication(create_backend_app)


def one_at_a_time(environ, start_response):
    with lock:
        return list(moto(environ, start_response))


if __name__ == "__main__":
    port = int(sys.argv[1])
    Client(one_at_a_time).put("/loragen", base_url=f"http://127.0.0.1:{port}")
    run_simple("127.0.0.1", port, one_at_a_time, threaded=True)
