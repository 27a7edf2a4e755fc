import type { Command } from "commander";
import { type Cli, examples } from "./context.ts";
import { exit } from "./exit.ts";

/** `attestation-key`: with which archives of the gateway are verified. */
export function addAttestationKey(program: Command, cli: Cli): void {
  const command = program
    .command("attestation-key")
    .description("Print the public key with which the gateway's archives are verified")
    .action(
      cli.run(async ({ client, print }) => {
        const key = await (await client()).attestationKey();
        if (print.json) await print.value(key);
        else {
          await print.write(key.publicKey);
          print.note(`key ${key.id}`);
        }
        return exit.ok;
      }),
    );
  examples(command, "airlock attestation-key > key.pem", "airlock verify run.zip --key key.pem");
}
