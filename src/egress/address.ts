import { BlockList, isIPv4, isIPv6 } from "node:net";
import { networkInterfaces } from "node:os";

const special4 = new BlockList();
for (const range of [
  "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24",
  "192.0.2.0/24 192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24",
  "224.0.0.0/4 240.0.0.0/4",
  // An address of the internet by its number, and of the machine's own host in one cloud: its metadata are there.
  "168.63.129.16/32",
].flatMap((row) => row.split(" "))) {
  const [net = "", bits] = range.split("/");
  special4.addSubnet(net, Number(bits), "ipv4");
}

/** What IPv6 gives to the public internet; all else (mapped, NAT64, unique local, link, multicast) is refused. */
const global6 = new BlockList();
global6.addSubnet("2000::", 3, "ipv6");

/** Inside 2000::/3: protocol assignments with Teredo, documentation, and 6to4, which hides an IPv4 address. */
const special6 = new BlockList();
special6.addSubnet("2001::", 23, "ipv6");
special6.addSubnet("2001:db8::", 32, "ipv6");
special6.addSubnet("2002::", 16, "ipv6");
special6.addSubnet("3fff::", 20, "ipv6");

/**
 * Whether an address belongs to the public internet and not to this machine: its own addresses are refused on every
 * port, because what listens there may trust whoever comes from here.
 */
export function isPublicAddress(address: string): boolean {
  if (isIPv4(address)) return !special4.check(address, "ipv4") && !ownAddresses().has(address);
  if (!isIPv6(address)) return false;
  if (!global6.check(address, "ipv6") || special6.check(address, "ipv6")) return false;
  return !ownAddresses().has(new URL(`http://[${address}]/`).hostname.slice(1, -1));
}

function ownAddresses(): Set<string> {
  const all = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return new Set(all.map((each) => each.address));
}
