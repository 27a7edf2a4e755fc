/** What npm needs in the environment: this checkout's Node first, and how this host reaches its registry. */
import { join, resolve } from "node:path";

const checkout = resolve(import.meta.dirname, "../..");
const registry =
  /^(https?_proxy|no_proxy|node_extra_ca_certs|ssl_cert_.*|npm_config_(registry|cafile|ca|cache|userconfig|globalconfig|proxy|https_proxy|noproxy))$/i;

export const npmEnv: Record<string, string> = {
  ...Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value = ""]) =>
      registry.test(name) ? [[name, value]] : [],
    ),
  ),
  PATH: `${join(checkout, "node_modules/.bin")}:/usr/local/bin:/usr/bin:/bin`,
  HOME: process.env.HOME ?? "/",
  NODE_OPTIONS: "--use-system-ca",
};
