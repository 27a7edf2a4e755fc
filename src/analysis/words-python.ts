import { listed, type WordLists } from "./word-lists.ts";

const foreign = "It calls functions of another language, which are not looked through";
const unpacked = "What it unpacks may be code, which is not looked through";
const inner = "It takes the interpreter apart, so that any function can be reached unseen";

/** What the names of Python mean. */
export const pythonWords: WordLists = {
  separator: ".",
  canonical: (path) =>
    path
      .replace(/^(?:builtins|__builtins__|__builtin__)\.(?:__dict__\.)?/, "")
      .replace(/^(?:globals|locals|vars)\(\)\.(?:__builtins__\.)?(?:__dict__\.)?/, "")
      .replace(/^sys\.modules\./, "")
      .replaceAll(".__dict__.", ".")
      .replace(/\.__call__$/, ""),
  imported: (path, name) => (path === "__import__" ? (name.split(".")[0] ?? name) : name),
  modules: listed(`
    requests urllib.request urllib.robotparser urllib2 urllib3 httplib httplib2 http.client http.server httpx httpcore
    aiohttp aiohttp_retry requests_html requests_toolbelt socket _socket ssl _ssl ftplib smtplib smtpd imaplib poplib
    nntplib telnetlib socketserver xmlrpc xmlrpclib websocket websockets wsproto paramiko fabric asyncssh redis aioredis
    pymongo motor psycopg psycopg2 asyncpg pymysql MySQLdb mysql aiomysql mariadb pyodbc cx_Oracle oracledb pymssql
    cassandra elasticsearch opensearchpy kafka confluent_kafka aiokafka pika aio_pika kombu celery nats stomp paho
    boto boto3 botocore aioboto3 s3fs gcsfs adlfs google.cloud google.auth googleapiclient azure pycurl curl_cffi grpc
    dns aiodns ldap3 ldap pysnmp scapy zmq nanomsg tornado twisted treq trio_websocket geventhttpclient eventlet
    uvicorn gunicorn hypercorn flask fastapi sanic bottle aiosmtplib slack_sdk slack_bolt telegram telebot discord
    tweepy praw stripe twilio openai anthropic cohere mistralai replicate huggingface_hub wandb mlflow sentry_sdk
    pysftp smb smbclient impacket minio hvac consul etcd3 kubernetes docker pyngrok selenium playwright pyppeteer
    scrapy mechanize robobrowser feedparser newspaper yfinance pandas_datareader webbrowser niquests primp cloudscraper
    wget pywget youtube_dl yt_dlp git dulwich pygit2 hyperx neo4j influxdb influxdb_client pyarrow.flight socks sshtunnel
  `),
  harmless: listed(`
    requests.exceptions requests.structures requests.compat requests.utils requests.status_codes urllib3.exceptions
    httpx.codes socket.gethostname socket.inet_aton socket.inet_ntoa socket.inet_pton socket.inet_ntop socket.htons
    socket.ntohs socket.htonl socket.ntohl socket.AF_INET socket.AF_INET6 socket.AF_UNIX socket.SOCK_STREAM
    socket.SOCK_DGRAM socket.timeout socket.error botocore.exceptions google.auth.exceptions urllib.parse urllib.error
    tornado.template flask.json
  `),
  calls: listed(`
    asyncio.open_connection asyncio.start_server asyncio.get_event_loop().create_connection
    asyncio.new_event_loop().create_connection asyncio.get_running_loop().create_connection
    asyncio.get_event_loop().create_datagram_endpoint asyncio.get_running_loop().create_datagram_endpoint
    asyncio.get_running_loop().sock_connect asyncio.get_event_loop().sock_connect asyncio.get_running_loop().getaddrinfo
    asyncio.get_event_loop().getaddrinfo asyncio.open_unix_connection anyio.connect_tcp trio.open_tcp_stream
    trio.open_ssl_over_tcp_stream multiprocessing.connection.Client multiprocessing.connection.Listener
    multiprocessing.managers.BaseManager logging.handlers.SocketHandler logging.handlers.DatagramHandler
    logging.handlers.HTTPHandler logging.handlers.SMTPHandler nltk.download urllib.urlopen urllib.urlretrieve
    gevent.socket.create_connection
    torch.hub.load torch.hub.download_url_to_file datasets.load_dataset transformers.pipeline
  `),
  verbs: listed(`
    connect create_connection create_server getaddrinfo gethostbyname socket get post put patch delete head request urlopen urlretrieve
    Session Client FTP SMTP HTTPConnection HTTPSConnection
  `),
  imports: listed(
    "__import__ importlib.import_module importlib.__import__ imp.load_module imp.find_module pkgutil.find_loader importlib.util.find_spec pydoc.locate pkgutil.resolve_name",
  ),
  passes: listed(
    "functools.partial compile ast.parse functools.wraps operator.methodcaller staticmethod classmethod iter next memoryview importlib.util.module_from_spec",
  ),
  reads: listed(
    "open io.open codecs.open pathlib.Path pathlib.PurePath pathlib.PosixPath linecache.getlines tokenize.open",
  ),
  writes: listed(""),
  getters: listed("getattr inspect.getattr_static object.__getattribute__"),
  binders: listed("__get__"),
  evaluates: listed(
    "exec eval code.InteractiveInterpreter().runsource code.InteractiveConsole().push timeit.timeit timeit.repeat cProfile.run pdb.run",
  ),
  runs: listed("runpy.run_path execfile imp.load_source importlib.machinery.SourceFileLoader"),
  hiddenMembers: listed(`
    __subclasses__ __globals__ __builtins__ __code__ __loader__ __spec__ f_globals f_builtins f_locals f_back gi_frame
    cr_frame tb_frame __getattribute__ load_module exec_module find_module
  `),
  powerful: listed(
    "os posix sys builtins __builtins__ importlib subprocess shutil pty multiprocessing asyncio ctypes imp runpy pkgutil code globals() locals() vars() sys.modules",
  ),
  starts: {
    "os.system": "shell",
    "os.popen": "shell",
    "posix.system": "shell",
    "subprocess.run": "list",
    "subprocess.call": "list",
    "subprocess.check_call": "list",
    "subprocess.check_output": "list",
    "subprocess.Popen": "list",
    "subprocess.getoutput": "shell",
    "subprocess.getstatusoutput": "shell",
    "commands.getoutput": "shell",
    "commands.getstatusoutput": "shell",
    "popen2.popen2": "shell",
    "os.execl": "path",
    "os.execle": "path",
    "os.execlp": "path",
    "os.execlpe": "path",
    "os.execv": "path",
    "os.execve": "path",
    "os.execvp": "path",
    "os.execvpe": "path",
    "os.posix_spawn": "path",
    "os.posix_spawnp": "path",
    "os.spawnl": "mode",
    "os.spawnle": "mode",
    "os.spawnlp": "mode",
    "os.spawnlpe": "mode",
    "os.spawnv": "mode",
    "os.spawnve": "mode",
    "os.spawnvp": "mode",
    "os.spawnvpe": "mode",
    "pty.spawn": "list",
    "pexpect.spawn": "shell",
    "pexpect.run": "shell",
    "pexpect.spawnu": "shell",
    "asyncio.create_subprocess_exec": "arguments",
    "asyncio.create_subprocess_shell": "shell",
    "asyncio.subprocess.create_subprocess_exec": "arguments",
    "asyncio.subprocess.create_subprocess_shell": "shell",
    "anyio.run_process": "list",
    "trio.run_process": "list",
    "invoke.run": "shell",
    "sh.bash": "arguments",
  },
  hides: {
    __loader__: inner,
    __spec__: inner,
    ctypes: foreign,
    _ctypes: foreign,
    cffi: foreign,
    _cffi_backend: foreign,
    "numpy.ctypeslib": foreign,
    "distutils.ccompiler": foreign,
    pyximport: foreign,
    "marshal.load": unpacked,
    "marshal.loads": unpacked,
    "dill.loads": unpacked,
    "cloudpickle.loads": unpacked,
    "types.CodeType": inner,
    "types.FunctionType": inner,
    "sys.settrace": inner,
    "gc.get_objects": inner,
    "gc.get_referrers": inner,
    "sys._getframe": inner,
    "importlib.machinery.ExtensionFileLoader": foreign,
    zipimport: unpacked,
    "code.interact": "It runs what it is told while it runs",
    "code.InteractiveInterpreter": "It runs what it is told while it runs",
    "code.InteractiveConsole": "It runs what it is told while it runs",
    "os.memfd_create": "It can run a program that is in no file",
  },
};
