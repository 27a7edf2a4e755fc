/**
 * Runs many programs inside one command of a run, several at once. With `sink` it first listens, inside, at every place
 * that they knock at: so it is known that they do knock, and zero on the host means that nothing got there.
 */
export const runnerSource = `
import base64, json, os, socket, subprocess, sys, threading
from concurrent.futures import ThreadPoolExecutor

listed = json.load(open(sys.argv[2]))
names = sys.argv[3:] or list(listed)
hits = {}

def seen(name):
    hits[name] = hits.get(name, 0) + 1

def answer(connection):
    try:
        connection.settimeout(0.3)
        connection.recv(4096)
        connection.sendall(b"HTTP/1.0 200 OK\\r\\nContent-Length: 8\\r\\n\\r\\nreached\\n")
    except OSError: pass
    connection.close()

def accept(listener, name):
    while True:
        connection, _ = listener.accept()
        seen(name)
        threading.Thread(target=answer, args=(connection,), daemon=True).start()

def receive(listener, name):
    while True:
        listener.recvfrom(4096)
        seen(name)

def listen(name, place):
    address, port = place["address"], place["port"]
    if place["abstract"]:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind("\\0" + place["abstract"])
        listener.listen()
        return [(accept, listener)]
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    datagrams = socket.socket(family, socket.SOCK_DGRAM)
    datagrams.bind((address, port))
    return [(accept, socket.create_server((address, port), family=family)), (receive, datagrams)]

def run(name):
    one = listed[name]
    for path, data in one.get("files", {}).items():
        path = os.path.join(one["dir"], path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file: file.write(base64.b64decode(data))
        os.chmod(path, 0o755)
    child = subprocess.Popen(["bash", "-c", one["command"]], start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try: child.wait(one.get("seconds", 20))
    except subprocess.TimeoutExpired: pass
    # A session of its own, so that what it started ends with it.
    try: os.killpg(child.pid, 9)
    except ProcessLookupError: pass
    child.wait()

if sys.argv[1] == "sink":
    for name in names:
        for serve, listener in listen(name, listed[name]):
            threading.Thread(target=serve, args=(listener, name), daemon=True).start()
with ThreadPoolExecutor(4) as pool: list(pool.map(run, names))
print(json.dumps({"ran": len(names), "hits": hits}), flush=True)
os._exit(0)
`;
