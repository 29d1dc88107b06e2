"""A network that loses the first answer: for `.ci/examples` alone.

Takes the server's HOST:PORT and a file to make once an answer was lost; prints its own address.
"""

import socket
import sys
import threading

SERVER, LOST = sys.argv[1].rsplit(":", 1), sys.argv[2]


def copy(source, target):
    """Copies until either end is closed, and then closes both."""
    try:
        while piece := source.recv(65536):
            target.sendall(piece)
    except OSError:
        pass
    for end in (source, target):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def lose(server, client):
    """Waits until the server has answered, and closes the client's end instead."""
    server.recv(65536)
    open(LOST, "x").close()
    client.shutdown(socket.SHUT_RDWR)


answer = lose
listener = socket.create_server(("127.0.0.1", 0))
print("http://{}:{}".format(*listener.getsockname()), flush=True)
while True:
    client, _ = listener.accept()
    server = socket.create_connection(SERVER)
    threading.Thread(target=copy, args=(client, server), daemon=True).start()
    threading.Thread(target=answer, args=(server, client), daemon=True).start()
    answer = copy
