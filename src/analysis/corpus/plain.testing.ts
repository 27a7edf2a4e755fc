import { snippets } from "./snippet.testing.ts";

/** Code that reaches the network as everybody's does. */
export const plain = [
  ...snippets("python", false, [
    [
      "requests",
      "network",
      "import requests\nr = requests.get('https://api.example.org/v1')\nprint(r.json())",
    ],
    ["several imports on one line", "network", "import os, socket, sys"],
    [
      "urllib",
      "network",
      "from urllib.request import urlopen\nprint(urlopen('http://example.org').read())",
    ],
    [
      "httpx with a client",
      "network",
      "import httpx\nwith httpx.Client(base_url='https://example.org') as c:\n    c.get('/x')",
    ],
    [
      "aiohttp",
      "network",
      "import aiohttp\nasync def main():\n    async with aiohttp.ClientSession() as s:\n        async with s.get('https://example.org') as r:\n            print(await r.text())",
    ],
    [
      "smtplib",
      "network",
      "import smtplib\nwith smtplib.SMTP('mail.example.org', 587) as s:\n    s.starttls()",
    ],
    ["ftplib", "network", "from ftplib import FTP\nFTP('ftp.example.org').login()"],
    [
      "paramiko",
      "network",
      "import paramiko\nc = paramiko.SSHClient()\nc.connect('example.org', username='u')",
    ],
    ["redis", "network", "import redis\nr = redis.Redis(host='cache.example.org', port=6380)"],
    ["psycopg2", "network", "import psycopg2\npsycopg2.connect('postgresql://u@db.example.org/x')"],
    ["boto3", "network", "import boto3\nboto3.client('s3').list_buckets()"],
    [
      "subprocess",
      "network",
      "import subprocess\nsubprocess.run(['curl', '-s', 'https://example.org'], check=True)",
    ],
    ["a URL that is kept", "network", "BASE_URL = 'https://example.org/api'"],
  ]),
  ...snippets("javascript", false, [
    [
      "fetch",
      "network",
      "const r = await fetch('https://example.org/x'); console.log(await r.json());",
    ],
    [
      "https",
      "network",
      "import https from 'node:https'; https.get('https://example.org', (r) => r.pipe(process.stdout));",
    ],
    [
      "axios",
      "network",
      "const axios = require('axios'); axios.post('https://example.org', { a: 1 });",
    ],
    [
      "undici",
      "network",
      "import { request } from 'undici'; await request('https://example.org');",
    ],
    ["ws", "network", "import WebSocket from 'ws'; const w = new WebSocket('wss://example.org');"],
    [
      "a server",
      "network",
      "import http from 'http'; http.createServer((q, s) => s.end('x')).listen(3000);",
    ],
    [
      "pg",
      "network",
      "import { Client } from 'pg'; await new Client({ host: 'db.example.org' }).connect();",
    ],
    [
      "child_process",
      "network",
      "import { execSync } from 'child_process'; execSync('git clone https://example.org/x.git');",
    ],
    [
      "the SDK of a cloud",
      "network",
      "import { S3Client } from '@aws-sdk/client-s3'; new S3Client({});",
    ],
  ]),
  ...snippets("typescript", false, [
    [
      "fetch with types",
      "network",
      "async function load(id: number): Promise<Item> { const r = await fetch(`https://example.org/items/${id}`); return (await r.json()) as Item; }",
    ],
    [
      "a client in a class",
      "network",
      "import axios, { type AxiosInstance } from 'axios'; export class Api { private http: AxiosInstance = axios.create({ baseURL: 'https://example.org' }); get(p: string) { return this.http.get(p); } }",
    ],
  ]),
  ...snippets("go", false, [
    [
      "http.Get",
      "network",
      'package main\nimport "net/http"\nfunc main() { r, err := http.Get("https://example.org"); _ = r; _ = err }',
    ],
    [
      "net.Dial",
      "network",
      'package main\nimport "net"\nfunc main() { c, _ := net.Dial("tcp", "example.org:80"); c.Close() }',
    ],
    [
      "a request",
      "network",
      'package main\nimport "net/http"\nfunc main() { q, _ := http.NewRequest("GET", "https://example.org", nil); http.DefaultClient.Do(q) }',
    ],
    [
      "grpc",
      "network",
      'package main\nimport "google.golang.org/grpc"\nfunc main() { grpc.Dial("example.org:443") }',
    ],
    [
      "a server",
      "network",
      'package main\nimport "net/http"\nfunc main() { http.ListenAndServe(":8080", nil) }',
    ],
    [
      "exec",
      "network",
      'package main\nimport "os/exec"\nfunc main() { exec.Command("curl", "https://example.org").Run() }',
    ],
  ]),
  ...snippets("rust", false, [
    [
      "reqwest",
      "network",
      '#[tokio::main]\nasync fn main() { let b = reqwest::get("https://example.org").await; }',
    ],
    [
      "TcpStream",
      "network",
      'use std::net::TcpStream;\nfn main() { let s = TcpStream::connect("example.org:80").unwrap(); }',
    ],
    ["hyper", "network", "use hyper::Client;\nfn main() { let c = Client::new(); }"],
    ["ureq", "network", 'fn main() { ureq::get("https://example.org").call(); }'],
    [
      "tokio",
      "network",
      'use tokio::net::TcpListener;\nasync fn f() { TcpListener::bind("0.0.0.0:80").await; }',
    ],
  ]),
  ...snippets("shell", false, [
    ["curl", "network", "curl -fsSL https://example.org/install.sh -o install.sh"],
    ["wget", "network", "wget https://example.org/x.tar.gz"],
    ["git clone", "network", "git clone --depth 1 https://example.org/x.git"],
    ["git push", "network", "git push origin main"],
    ["pip install", "network", "pip install -r requirements.txt --target /tmp/venv"],
    ["npm ci", "network", "npm ci --ignore-scripts"],
    ["cargo fetch", "network", "cargo fetch"],
    ["go mod download", "network", "go mod download -modcacherw"],
    ["apt-get", "network", "apt-get update && apt-get install -y jq"],
    ["ssh", "network", "ssh me@example.org uptime"],
    ["scp", "network", "scp x.txt me@example.org:/tmp/"],
    ["npx", "network", "npx cowsay hi"],
  ]),
];
