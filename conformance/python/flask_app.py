"""A Flask app with the official middleware: an answer for every outcome that X-Ray distinguishes.

Prints `listening on URL` once it serves, on a port of its own choice.
"""

from aws_xray_sdk.core import xray_recorder
from aws_xray_sdk.ext.flask.middleware import XRayMiddleware
from flask import Flask, abort
from werkzeug.serving import make_server

app = Flask(__name__)
app.config["PROPAGATE_EXCEPTIONS"] = False
xray_recorder.configure(service="flask-shop", sampling=False)
XRayMiddleware(app, xray_recorder)


@app.get("/")
def index() -> str:
    return "ok"


@app.get("/missing")
def missing() -> str:
    abort(404)


@app.get("/busy")
def busy() -> tuple[str, int]:
    return "slow down", 429


@app.get("/broken")
def broken() -> str:
    raise RuntimeError("the shelf fell down")


if __name__ == "__main__":
    server = make_server("127.0.0.1", 0, app, threaded=True)
    print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
