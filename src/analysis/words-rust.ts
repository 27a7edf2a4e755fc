import { listed, type WordLists } from "./word-lists.ts";

const foreign = "It calls functions of another language, which are not looked through";
const machine = "It runs machine code, which is not looked through";

/** What the names of Rust mean. */
export const rustWords: WordLists = {
  separator: "::",
  canonical: (path) => path.replace(/^(?:::|r#)/, "").replace(/^core::net/, "std::net"),
  imported: (_, name) => name,
  modules: listed(`
    std::net std::os::unix::net tokio::net async_std::net smol::net mio::net async_net reqwest hyper hyper_util ureq
    isahc curl attohttpc surf minreq http_req ehttp awc actix_web actix_rt axum warp rocket tide poem salvo tonic
    tungstenite tokio_tungstenite async_tungstenite websocket ws socket2 nix::sys::socket rustls native_tls openssl::ssl
    tokio_rustls tokio_native_tls quinn quiche s2n_quic trust_dns_resolver hickory_resolver hickory_client dns_lookup
    ssh2 russh thrussh suppaftp ftp lettre imap mail_send redis mongodb postgres tokio_postgres mysql mysql_async
    sqlx::postgres sqlx::mysql diesel::pg tiberius lapin rdkafka rumqttc paho_mqtt async_nats nats zmq elasticsearch
    aws_config aws_sdk_s3 aws_sdk_dynamodb rusoto_core rusoto_s3 google_cloud_storage azure_core azure_storage
    octocrab git2 gix libp2p jsonrpsee tarpc capnp_rpc fantoccini headless_chrome thirtyfour kube bollard
    async_openai slack_morphism teloxide serenity ping surge_ping pnet
  `),
  harmless: listed(`
    std::net::IpAddr std::net::Ipv4Addr std::net::Ipv6Addr std::net::SocketAddr std::net::SocketAddrV4
    std::net::SocketAddrV6 std::net::AddrParseError std::net::Shutdown reqwest::StatusCode reqwest::Url hyper::StatusCode
    std::os::unix::net
  `),
  calls: listed(`
    libc::socket libc::connect libc::sendto libc::getaddrinfo libc::bind libc::gethostbyname rustix::net::socket
    rustix::net::connect nix::sys::socket::connect
  `),
  verbs: listed("TcpStream UdpSocket TcpListener get post Client connect"),
  imports: listed(""),
  passes: listed("Box::new Arc::new Rc::new"),
  reads: listed("std::fs::read_to_string"),
  writes: listed(""),
  getters: listed(""),
  binders: listed(""),
  evaluates: listed(""),
  runs: listed("include!"),
  hiddenMembers: listed(""),
  powerful: listed(""),
  starts: {
    "std::process::Command::new": "builder",
    "process::Command::new": "builder",
    "tokio::process::Command::new": "builder",
    "async_process::Command::new": "builder",
    "async_std::process::Command::new": "builder",
    "duct::cmd": "arguments",
    "duct::cmd!": "arguments",
    "cmd!": "arguments",
    "libc::system": "shell",
    "libc::execv": "path",
    "libc::execve": "path",
    "libc::execvp": "path",
    "nix::unistd::execv": "path",
    "nix::unistd::execvp": "path",
    "nix::unistd::execve": "path",
  },
  hides: {
    libloading: foreign,
    dlopen: foreign,
    dlopen2: foreign,
    libffi: foreign,
    "libc::dlopen": foreign,
    "libc::dlsym": foreign,
    "libc::syscall": "It calls the kernel by number",
    "asm!": machine,
    "std::arch::asm!": machine,
    "core::arch::asm!": machine,
    "global_asm!": machine,
    "std::arch::global_asm!": machine,
    wasmtime: machine,
    wasmer: machine,
    rhai: "It runs code that is not looked through",
    mlua: "It runs code that is not looked through",
    pyo3: foreign,
    rquickjs: "It runs code that is not looked through",
    boa_engine: "It runs code that is not looked through",
    deno_core: "It runs code that is not looked through",
  },
};
