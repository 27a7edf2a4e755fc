/** As whom the gateway runs in an escape test. */
export interface GatewayIdentity {
  /** For the test's name. */
  name: string;
  /** For `startGateway`: undefined is the user that runs the tests. */
  uid: number | undefined;
  /** The host uid that the gateway has. */
  gatewayUid: number;
  isRoot: boolean;
}

const own = process.getuid?.() ?? -1;
export const testsAreRoot = own === 0;

/** Of nobody: there is no such line in `/etc/passwd`. */
const ordinaryUid = 12_345;

/**
 * Root can play both; an ordinary user can only be itself. That is not a gap: the other half is
 * then run by whoever runs the tests as root.
 */
export const identities: GatewayIdentity[] = testsAreRoot
  ? [
      { name: "root", uid: undefined, gatewayUid: 0, isRoot: true },
      { name: "an ordinary user", uid: ordinaryUid, gatewayUid: ordinaryUid, isRoot: false },
    ]
  : [
      {
        name: "the ordinary user that runs the tests",
        uid: undefined,
        gatewayUid: own,
        isRoot: false,
      },
    ];
