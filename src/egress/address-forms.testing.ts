/**
 * Spellings of hosts that are not of the public internet, or plainly of no one host, as they stand in the authority of a
 * URL. Each must be refused wherever a host is named, without a DNS query.
 */
import { networkInterfaces } from "node:os";

const words = (text: string) => text.split(/\s+/).filter((word) => word !== "");

/** 127.0.0.0/8 in every way that inet_aton or a URL parser understands. */
const loopback4 = words(`
  127.0.0.1 127.1 127.0.1 127.000.000.001 127.8.8.8 127.255.255.254 127.65536
  0177.0.0.1 0177.0.0.01 00000177.0.0.1 0177.1 0x7f.1 0x7f.0.0.1 0X7F.0.0.1 0x7f.0x0.0x0.0x1 0177.0x0.0.1 127.0.0x1
  2130706433 0x7f000001 0x7F000001 0x000000007f000001 017700000001 0000017700000001
  127.0.0.1. 127.1. 2130706433. 0x7f.1.
`);

/** The addresses at which clouds keep the credentials of a machine. */
const metadata = words(`
  169.254.169.254 2852039166 0xa9fea9fe 0xA9FEA9FE 0xa9.0xfe.0xa9.0xfe 0251.0376.0251.0376 025177524776
  169.254.43518 169.16689662 0xa9.254.0251.254 169.254.169.254. 169.254.170.2 168.63.129.16 100.100.100.200 192.0.0.192
  [fd00:ec2::254] [fd20:ce::254] [::ffff:169.254.169.254] [::ffff:a9fe:a9fe] [64:ff9b::a9fe:a9fe] [2002:a9fe:a9fe::1]
  metadata.google.internal METADATA.GOOGLE.INTERNAL. instance-data.ec2.internal metadata instance-data
`);

/** First, last and middle addresses of what is private or special in IPv4. */
const special4 = words(`
  0.0.0.0 0 00 0x0 0.0 0.1.2.3 0.255.255.255 10.0.0.0 10.0.0.1 10.255.255.255 10.1 012.0.0.1 0xa.1 167772161 0xa000001
  100.64.0.0 100.127.255.255 169.254.0.1 172.16.0.0 172.31.255.255 2886729729 0xac100001 192.0.0.1 192.0.0.170
  192.0.2.1 192.88.99.1 192.168.0.0 192.168.1.1 192.168.257 192.168.255.255 3232235777 0xc0a80101 0300.0250.1.1
  198.18.0.0 198.19.255.255 198.51.100.7 203.0.113.9 224.0.0.1 239.255.255.250 240.0.0.1 255.255.255.254
  255.255.255.255 4294967295 0xffffffff 037777777777
`);

/** What is private or special in IPv6, and the ways in which an IPv4 address hides in one. */
const special6 = words(`
  :: ::1 0:0:0:0:0:0:0:1 0000:0000:0000:0000:0000:0000:0000:0001 ::0001 ::127.0.0.1 ::7f00:1 ::10.0.0.1
  ::ffff:127.0.0.1 ::FFFF:127.0.0.1 ::ffff:7f00:1 0:0:0:0:0:ffff:127.0.0.1 0:0:0:0:0:ffff:7f00:1 ::ffff:10.0.0.1
  ::ffff:192.168.0.1 ::ffff:0.0.0.0 ::ffff:1.1.1.1 ::ffff:0:127.0.0.1 ::ffff:0:7f00:1
  64:ff9b::127.0.0.1 64:ff9b::7f00:1 64:ff9b::a00:1 64:ff9b:1::1 64:ff9b:1:ffff::a00:1
  2002:7f00:1:: 2002:c0a8:101:: 2002:a00:1::1 2001::1 2001:0:7f00:1:: 2001:0:4136:e378:8000:63bf:80ff:fffe
  2001:10::1 2001:20::1 2001:1ff::1 2001:db8::1 2001:db8:ffff::1 3fff::1 5f00::1 100::1 4000::1 8000::1
  fc00::1 fd12:3456:789a::1 fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff fe80::1 fe80::a9fe:a9fe febf::1 fec0::1
  ff01::1 ff02::1 ff05::1:3 ff0e::1
`).map((text) => `[${text}]`);

/** Zones, brackets that are not closed, around no IPv6 address, or missing. */
const brackets = words(`
  [fe80::1%25lo] [fe80::1%lo] [::1%25lo] [::1%eth0] [::1%25] [127.0.0.1] [localhost] [2130706433] [::1 ::1] ::1
  [[::1]] [::1]. [::1]x x[::1] [v1.::1] [] [::ffff:127.1] [::127.1] [1:2:3:4:5:6:7] [0:0:0:0:0:0:0:0:1] [:::1]
`);

/** Names of this machine and of networks that are not the public one. */
const names = words(`
  localhost LOCALHOST LocalHost localhost. a.localhost foo.bar.localhost. localhost.localdomain ip6-localhost
  ip6-loopback broadcasthost gateway router intranet kubernetes wiki db.corp mail.corp. nas.lan nas.home
  router.home.arpa printer.local kubernetes.default.svc.cluster.local db.private wiki.intranet api.internal
  host.docker.internal gateway.docker.internal hidden.onion
`);

/** Digits, letters and dots that IDN mapping turns into ASCII, or drops. */
const unicode = [
  ...["１２７.0.0.1", "127。0。0。1", "127．0．0．1", "127｡0｡0｡1", "①②⑦.⓪.⓪.①", "𝟏𝟐𝟕.𝟎.𝟎.𝟏"],
  ...["１２７.1", "0ｘ7f.1", "２１３０７０６４３３", "①⑥⑨.②⑤④.①⑥⑨.②⑤④", "１０.0.0.1", "127.0.0.¹"],
  ...[
    "ｌｏｃａｌｈｏｓｔ",
    "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ",
    "loca\u00adlhost",
    "local\u200bhost",
    "localhost。",
    "lоcalhost",
  ],
  ...["𝓵𝓸𝓬𝓪𝓵𝓱𝓸𝓼𝓽", "[::１]", "a。localhost", "meta\u00addata.google.internal", "127.0.0.1\u3002"],
];

/** Escapes, and what some parsers drop, stop at or skip. */
const escapes = [
  ...["127%2e0.0.1", "127%2E0%2e0%2e1", "%31%32%37.0.0.1", "%30x7f.1", "127.0.0.%31", "%5b::1%5d"],
  ...["%6c%6f%63%61%6c%68%6f%73%74", "loc%61lhost", "localhost%2e", "127%E3%80%820%E3%80%820.1"],
  ...["localhost%00", "127.0.0.1%00.example.com", "127.0.0.1%2f.example.com", "127.0.0.1%23.x.com"],
  ...[
    "127.0.0.1\0.example.com",
    "127.0.0.1 .example.com",
    " 127.0.0.1",
    "127.0.0.1 ",
    "127.0.0.1\t",
  ],
  ...[
    "127.\n0.0.1",
    "127.\r\n0.0.1",
    "local\thost",
    "127.0.0.1\u0085",
    "127.0.0.1\u00a0",
    "127,0,0,1",
  ],
];

/** Two hosts in one, or none. */
const confused = [
  ...["api.example.com@127.0.0.1", "127.0.0.1@api.example.com", "api.example.com:443@127.0.0.1"],
  ...["@127.0.0.1", ":@127.0.0.1", "a:b@localhost", "api.example.com%40127.0.0.1", "%40127.0.0.1"],
  ...["api.example.com\\@127.0.0.1", "127.0.0.1\\@api.example.com", "127.0.0.1\\.example.com"],
  ...["127.0.0.1,api.example.com", "127.0.0.1;api.example.com", "api.example.com&127.0.0.1", "*"],
  ...[
    "127.0.0.1:80",
    "localhost:443",
    "api.example.com:80:80",
    "127.0.0.1:",
    "",
    ".",
    "..",
    "*.com",
  ],
  ...["127.0.0.1..", "..127.0.0.1", "127..0.1", ".localhost", "localhost..", "127.0.0.256"],
  ...[
    "127.0.0.1.1",
    "4294967296",
    "0x100000000",
    "08.0.0.1",
    "127.0.0.0x",
    "_x.example.com",
    "-a.com",
  ],
  ...[
    `${"a".repeat(64)}.example.com`,
    `${"a.".repeat(127)}example.com`,
    "a-.example.com",
    "a..b.com",
  ],
];

/** The machine's own addresses, of the internet or not: whoever listens there may trust whoever comes from here. */
function ownForms(): string[] {
  const own = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return own.flatMap(({ address, family }) => {
    if (family === "IPv6") return [`[${address.split("%")[0]}]`];
    const number = Buffer.from(address.split(".").map(Number)).readUInt32BE();
    return [address, String(number), `0x${number.toString(16)}`, `[::ffff:${address}]`];
  });
}

/** Every spelling once, by what is tried with it. */
export const addressForms: Record<string, string[]> = {
  loopback4,
  metadata,
  special4,
  special6,
  brackets,
  names,
  unicode,
  escapes,
  confused,
  own: ownForms(),
};

export const allAddressForms = [...new Set(Object.values(addressForms).flat())];
