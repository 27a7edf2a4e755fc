/**
 * The patterns of an agent that may run every command: `*` leaves out the programs that have to be named. For tests whose
 * own commands clean up after themselves, or look around as an attacker would.
 */
export const everyCommand: string[] = [
  "*",
  ...["rm ", "rmdir ", "unlink ", "shred ", "dd ", "mkfs ", "find -delete"],
  ...["env ", "printenv ", "declare ", "export ", "set ", "compgen "],
  ...["sudo ", "su ", "chroot ", "unshare ", "nsenter ", "capsh ", "chmod "],
];
