# Runs wstest of the Autobahn TestSuite, which is Python 2, with two habits changed: it listens on
# and connects to the loopback interface alone, and it ends when its standard input does, so that it
# cannot outlive whoever started it.
import os
import sys
import threading

from autobahntestsuite import choosereactor  # Chooses the reactor, so it comes before any use of it.
from twisted.internet import reactor

LOOPBACK = "127.0.0.1"
listen = reactor.listenTCP
connect = reactor.connectTCP


def listen_tcp(port, factory, backlog=50, interface=""):
    listener = listen(port, factory, backlog, LOOPBACK)
    print "Listening on %s:%d" % (LOOPBACK, listener.getHost().port)
    return listener


def connect_tcp(host, port, *rest, **named):
    if host != LOOPBACK:
        raise SystemExit("%r is not the loopback interface" % (host,))
    return connect(host, port, *rest, **named)


def refuse_tls(*rest, **named):
    raise SystemExit("TLS is not tested here")


def end_with_owner():
    while sys.stdin.read(4096):
        pass
    os._exit(3)


reactor.listenTCP = listen_tcp
reactor.connectTCP = connect_tcp
reactor.listenSSL = reactor.connectSSL = refuse_tls

owner = threading.Thread(target=end_with_owner)
owner.daemon = True
owner.start()

from autobahntestsuite import wstest

wstest.run()
