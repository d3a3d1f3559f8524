"""The classic X-Ray sample: a Bottle app that the official SDK traces.

Nothing in here knows Roentgen. The SDK sends to 127.0.0.1:2000 unless AWS_XRAY_DAEMON_ADDRESS says
otherwise; HOST and PORT choose where the app itself listens.
"""

import os

from aws_xray_sdk.core import xray_recorder
from aws_xray_sdk.ext.bottle.middleware import XRayMiddleware
from bottle import Bottle, run

app = Bottle()

xray_recorder.configure(service='fa-074', plugins=('ECSPlugin',))
app.install(XRayMiddleware(xray_recorder))


@app.route('/')
def hello():
    return 'Hello X-Ray!'


if __name__ == '__main__':
    run(app=app, host=os.environ.get('HOST', '0.0.0.0'), port=int(os.environ.get('PORT', '8080')))
