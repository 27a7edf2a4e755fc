"""What code in a sandbox knows of its run, and asks of the gateway.

    from autonoetic_sdk import load_invocation
    invocation = load_invocation()
    if invocation.has_runtime_input:
        record = invocation.input["record_id"]

Standard library only, Python 3.8 or newer. `airlock_sdk` is the same package.
"""

import json
import os

__all__ = [
    "ApprovalRequiredError",
    "AutonoeticSdkError",
    "Client",
    "Invocation",
    "PolicyViolation",
    "RateLimitExceeded",
    "init",
    "load_invocation",
]

_SOCKET = "/run/airlock-sdk/sdk.sock"
_ANSWER_MAX = 16 * 1024 * 1024
_TIMEOUT_SECONDS = 60


class AutonoeticSdkError(Exception):
    """Something that was asked of the gateway was not done; `error_type` says of what kind the reason is."""

    def __init__(self, message, error_type="execution"):
        super().__init__(message)
        self.error_type = error_type


class PolicyViolation(AutonoeticSdkError):
    """The agent does not have the power for it."""


class RateLimitExceeded(AutonoeticSdkError):
    """Too much was asked for in too little time, or by one run."""


class ApprovalRequiredError(AutonoeticSdkError):
    """A person has to say yes first."""

    def __init__(self, message, error_type="approval_required", secret_name=None):
        super().__init__(message, error_type)
        self.secret_name = secret_name


class Invocation:
    """What a script was started with.

    `input` is the parsed input when it is JSON, else its text; None without one. `meta` is an object.
    """

    __slots__ = ("has_runtime_input", "input", "meta")

    def __init__(self, input, has_runtime_input, meta):
        self.input = input
        self.has_runtime_input = has_runtime_input
        self.meta = meta

    def __repr__(self):
        return "Invocation(input=%r, has_runtime_input=%r, meta=%r)" % (
            self.input,
            self.has_runtime_input,
            self.meta,
        )


def load_invocation():
    """Reads the input of this script from what the gateway has set; never from arguments or standard input."""
    given = _given("INPUT")
    meta = _parsed(_given("META"))
    return Invocation(
        input=_parsed(given),
        has_runtime_input=given is not None,
        meta=meta if isinstance(meta, dict) else {},
    )


def _given(name):
    for prefix in ("AUTONOETIC_", "AIRLOCK_"):
        path = os.environ.get(prefix + name + "_PATH")
        if path:
            with open(path, encoding="utf-8", newline="") as file:
                return file.read()
        value = os.environ.get(prefix + name)
        if value is not None:
            return value
    return None


def _parsed(text):
    if text is None:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


class _Memory:
    """Values and facts of the agent. `read`, `write` and `list_keys` are its own; the others are shared as they say."""

    def __init__(self, call):
        self._call = call

    def read(self, key, default=None):
        found = self._call("memory.read", {"key": key})
        return found["value"] if found["found"] else default

    def write(self, key, value):
        return self._call("memory.write", {"key": key, "value": value})

    def list_keys(self, prefix=""):
        return self._call("memory.list_keys", {"prefix": prefix})["keys"]

    def remember(self, id, content, scope="sdk", tags=(), visibility="private", shared_with=()):
        return self._call(
            "knowledge.remember",
            {
                "id": id,
                "content": content,
                "scope": scope,
                "tags": list(tags),
                "visibility": visibility,
                "shared_with": list(shared_with),
            },
        )

    def recall(self, id):
        """The content of a fact; None when there is none that this agent may read."""
        found = self._call("knowledge.recall", {"id": id})
        return found["content"] if found["found"] else None

    def search(self, query="", scope="sdk", tags=(), limit=10):
        asked = {"query": query, "scope": scope, "tags": list(tags), "limit": limit}
        return self._call("knowledge.search", asked)["results"]


class _State:
    """Where a script that is started again goes on from."""

    def __init__(self, call):
        self._call = call

    def checkpoint(self, value):
        return self._call("state.checkpoint", {"value": value})

    def get_checkpoint(self, default=None):
        found = self._call("state.get_checkpoint", {})
        return found["value"] if found["found"] else default


class _Events:
    def __init__(self, call):
        self._call = call

    def emit(self, type, data=None):
        """Writes an event into the journal of the run."""
        return self._call("events.emit", {"type": type, "data": data})


class _Unsupported:
    """Named by other gateways; here it is an error that says so."""

    def __init__(self, call, name):
        self._call = call
        self._name = name

    def __getattr__(self, method):
        name = "%s.%s" % (self._name, method)
        if method.startswith("__"):
            raise AttributeError(method)
        return lambda *args, **kwargs: self._call(name, {})


class Client:
    """Calls of the gateway. They are decided, limited and written down like everything that a run does."""

    def __init__(self):
        self._socket = None
        self._buffer = b""
        self._last = 0
        self.memory = _Memory(self._call)
        self.knowledge = self.memory
        self.state = _State(self._call)
        self.events = _Events(self._call)
        for name in ("secrets", "message", "files", "artifacts", "tasks"):
            setattr(self, name, _Unsupported(self._call, name))

    def close(self):
        if self._socket is not None:
            self._socket.close()
        self._socket = None
        self._buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _call(self, method, params):
        self._last += 1
        request = {"jsonrpc": "2.0", "id": self._last, "method": method, "params": params}
        try:
            line = json.dumps(request, allow_nan=False).encode("utf-8") + b"\n"
        except (TypeError, ValueError) as error:
            raise AutonoeticSdkError("%s: %s" % (method, error), "validation") from None
        try:
            self._connect()
            self._socket.sendall(line)
            answer = json.loads(self._line())
        except (OSError, ValueError) as error:
            self.close()
            raise AutonoeticSdkError("%s: the gateway did not answer: %s" % (method, error)) from error
        if answer.get("id") != self._last:
            self.close()
        if "error" in answer:
            raise _failure(answer["error"])
        return answer["result"]

    def _connect(self):
        if self._socket is not None:
            return
        import socket

        if not os.path.exists(_SOCKET):
            raise PolicyViolation(
                "This agent has no SandboxFunctions for calls of the SDK", "policy_violation"
            )
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(_TIMEOUT_SECONDS)
        self._socket.connect(_SOCKET)

    def _line(self):
        while b"\n" not in self._buffer:
            piece = self._socket.recv(65536)
            if not piece:
                raise OSError("the connection was closed")
            self._buffer += piece
            if len(self._buffer) > _ANSWER_MAX:
                raise OSError("the answer is too long")
        line, self._buffer = self._buffer.split(b"\n", 1)
        return line


def _failure(error):
    message = error.get("message", "The gateway refused")
    data = error.get("data") or {}
    kind = data.get("error_type", "execution")
    if kind == "policy_violation":
        return PolicyViolation(message, kind)
    if kind == "rate_limit_exceeded":
        return RateLimitExceeded(message, kind)
    if kind == "approval_required":
        return ApprovalRequiredError(message, kind, data.get("secret_name"))
    return AutonoeticSdkError(message, kind)


def init():
    """A client of the gateway."""
    return Client()
