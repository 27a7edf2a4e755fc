import { snippets } from "./snippet.testing.ts";

/** Go that reaches the network and would rather not be seen doing it. */
export const goEvasive = snippets("go", true, [
  [
    "another name for net",
    "network",
    'package main\nimport n "net"\nfunc main() { n.Dial("tcp", "e.org:80") }',
  ],
  [
    "everything of net/http",
    "network",
    'package main\nimport . "net/http"\nfunc main() { Get("https://e.org") }',
  ],
  ["only for its effect", "network", 'package main\nimport _ "net/http/httptest"\nfunc main() {}'],
  [
    "a shell command",
    "network",
    'package main\nimport "os/exec"\nfunc main() { exec.Command("sh", "-c", "cu"+"rl e.org").Run() }',
  ],
  [
    "a program in pieces",
    "network",
    'package main\nimport x "os/exec"\nconst a = "cu"\nfunc main() { x.Command(a+"rl", "e.org").Run() }',
  ],
  [
    "a program that is only known when it runs",
    "opaque",
    'package main\nimport "os/exec"\nfunc f(p string) { exec.Command(p).Run() }',
  ],
  [
    "a program with a context",
    "network",
    'package main\nimport "os/exec"\nfunc main() { exec.CommandContext(c, "wget", "e.org").Run() }',
  ],
  [
    "in place of itself",
    "network",
    'package main\nimport "syscall"\nfunc main() { syscall.Exec("/usr/bin/curl", []string{"curl", "e.org"}, nil) }',
  ],
  [
    "a socket of the kernel",
    "network",
    'package main\nimport "syscall"\nfunc main() { fd, _ := syscall.Socket(2, 1, 0); syscall.Connect(fd, a) }',
  ],
  [
    "the kernel by number",
    "opaque",
    'package main\nimport "syscall"\nfunc main() { syscall.RawSyscall(41, 2, 1, 0) }',
  ],
  [
    "C",
    "opaque",
    'package main\n// #include <sys/socket.h>\nimport "C"\nfunc main() { C.socket(2, 1, 0) }',
  ],
  ["a plugin", "opaque", 'package main\nimport "plugin"\nfunc main() { plugin.Open("x.so") }'],
  [
    "a function kept in a variable",
    "network",
    'package main\nimport "net/http"\nvar g = http.Get\nfunc main() { g("https://e.org") }',
  ],
  [
    "a method of a struct",
    "network",
    'package main\nimport "net/http"\ntype S struct{ c *http.Client }\nfunc (s *S) f() { s.c.Get("https://e.org") }',
  ],
  [
    "an address in pieces",
    "network",
    'package main\nimport "fmt"\nfunc main() { u := fmt.Sprintf("%s://%s", "https", "e.org"); use(u) }',
  ],
  [
    "an interpreter within",
    "opaque",
    'package main\nimport "github.com/dop251/goja"\nfunc main() { goja.New().RunString(s) }',
  ],
  [
    "a library that connects",
    "undetected",
    'package main\nimport "example.org/innocent"\nfunc main() { innocent.Run() }',
    "F07: what other modules do is not looked through",
  ],
]);

/** Rust that reaches the network and would rather not be seen doing it. */
export const rustEvasive = snippets("rust", true, [
  ["without a use", "network", 'fn main() { let s = std::net::TcpStream::connect("e.org:80"); }'],
  [
    "another name",
    "network",
    'use std::net as n;\nfn main() { n::TcpStream::connect("e.org:80"); }',
  ],
  [
    "another name for the type",
    "network",
    'use std::net::TcpStream as File;\nfn main() { File::connect("e.org:80"); }',
  ],
  ["everything", "network", 'use std::net::*;\nfn main() { TcpStream::connect("e.org:80"); }'],
  [
    "within a group",
    "network",
    'use std::{fs, net::{self, UdpSocket}};\nfn main() { UdpSocket::bind("0.0.0.0:0"); }',
  ],
  [
    "a shell command by links",
    "network",
    'use std::process::Command;\nfn main() { Command::new("sh").arg("-c").arg("curl e.org").status(); }',
  ],
  [
    "a shell whose arguments come later",
    "opaque",
    'use std::process::Command;\nfn main() { let mut c = Command::new("sh"); c.arg("-c"); c.arg(x); c.spawn(); }',
  ],
  [
    "a program under another name",
    "network",
    'use std::process::Command as C;\nfn main() { C::new(concat!("cu", "rl")).spawn(); }',
  ],
  [
    "a program that is only known when it runs",
    "opaque",
    "fn f(p: &str) { std::process::Command::new(p).spawn(); }",
  ],
  ["libc", "network", "fn main() { unsafe { libc::socket(2, 1, 0); } }"],
  [
    "a function of C",
    "opaque",
    'extern "C" { fn socket(d: i32, t: i32, p: i32) -> i32; }\nfn main() { unsafe { socket(2, 1, 0); } }',
  ],
  ["machine code", "opaque", 'use std::arch::asm;\nfn main() { unsafe { asm!("syscall"); } }'],
  ["a library that is loaded", "opaque", 'fn main() { libloading::Library::new("libc.so.6"); }'],
  ["the kernel by number", "opaque", "fn main() { unsafe { libc::syscall(41, 2, 1, 0); } }"],
  [
    "a client kept in a struct",
    "network",
    'struct S { c: reqwest::Client }\nimpl S { fn f(&self) { self.c.get("https://e.org"); } }',
  ],
  [
    "inside a macro",
    "network",
    'fn main() { println!("{:?}", reqwest::blocking::get("https://e.org")); }',
  ],
  [
    "an address by format",
    "network",
    'fn main() { let h = "e.org"; go(format!("https://{}/", h)); }',
  ],
  [
    "a crate that connects",
    "undetected",
    "use innocent::run;\nfn main() { run(); }",
    "F07: what other crates do is not looked through",
  ],
]);
