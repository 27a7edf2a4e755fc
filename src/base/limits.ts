/**
 * Every limit of the gateway that is not a run's own (I9): value, unit in the name, and why it is what it is. Reaching
 * one is a named result, event or error, never an accident. What an operator may change is in `config.ts`.
 */
const KiB = 1024;
const MiB = 1024 * KiB;
const GiB = 1024 * MiB;

export const limits = {
  /** A JSON request body. Larger inputs travel as multipart parts, which are streamed to disk. */
  requestJsonBytes: 16 * MiB,
  /** Nesting of a JSON body: deeper than any honest request, far from the stack's end. */
  requestJsonDepth: 64,
  /** One uploaded input file. */
  inputFileBytes: 1 * GiB,
  /** All input files of one run together. */
  inputTotalBytes: 2 * GiB,
  inputFiles: 1000,
  /** An inline `files[].content`; the SDK sends anything larger as a part. */
  inlineFileBytes: 1 * MiB,
  idempotencyKeyChars: 255,
  /** Prompt, system and agent together: far more than any model's context, and sent with every list of runs. */
  promptBytes: 4 * MiB,
  metadataBytes: 16 * KiB,

  /** One `content_write`. The spec asks for 10 MB at least; a model rarely sends one. */
  contentBytes: 32 * MiB,
  contentNameBytes: 512,
  /** A command is one argument of `sh -c`; the kernel's own limit for one argument is 128 KiB. */
  commandBytes: 100 * KiB,
  /** A string of an event longer than this is kept as a blob and named (`BlobRef`). */
  eventStringBytes: 64 * KiB,
  /** What the model sees of stdout and of stderr: half from the head, half from the tail. */
  callOutputShownBytes: 32 * KiB,
  /** What is kept of stdout and of stderr as blobs. Beyond `callOutputKilledBytes` the command is killed. */
  callOutputKeptBytes: 4 * MiB,
  callOutputKilledBytes: 1 * GiB,

  /** Findings of one call that the journal keeps with its decision; more say nothing new. */
  findingsKept: 100,
  /** Entries of each of the run's two directories that an approval can be bound to; all of them are read. */
  boundTreeEntries: 500_000,

  /** Directories that one call captures as layers. */
  capturePaths: 16,
  /** Beside what it captures, a build may leave this much behind and still be found again: a lock file, a log. */
  buildSideFiles: 32,
  buildSideBytes: 2 * MiB,
  /** What may lie in a run's directories for a build to be found again; it is all read first. */
  buildInputEntries: 2_000,
  buildInputBytes: 32 * MiB,
  /** How long a build without a hash-pinned lock is found again: what its names stand for changes. */
  buildLivesMs: 24 * 60 * 60_000,

  outputDirs: 32,
  outputDirBytes: 512,
  outputFiles: 10_000,
  outputFileBytes: 4 * GiB,
  outputTotalBytes: 8 * GiB,

  /** Entries of one layer: a large node_modules has 70,000, a whole data science stack 200,000. */
  layerEntries: 500_000,
  /** The largest library of a stack for graphics cards has 2 GB. */
  layerFileBytes: 4 * GiB,
  /** All files of one layer: such a stack as a whole has 5 to 10 GB. */
  layerTotalBytes: 16 * GiB,
  /** Directories below each other: dependencies of dependencies reach 30. */
  layerDepth: 128,
  /** A path within a layer; with the place where it is mounted it must fit the kernel's 4096. */
  layerPathBytes: 3 * KiB,
  /** The archive of one layer as it comes, compressed. */
  layerArchiveBytes: 8 * GiB,

  /** Images of a workspace that are being written down or sent: each takes the disk that its artifact takes, packed. */
  imagesAtOnce: 4,

  /** Rows of one page of a list. */
  pageRows: 1000,
  pageRowsDefault: 100,
  /** Bytes of one page of runs or events; one row is always given, however large. */
  pageBytes: 8 * MiB,
  /** What an event stream reads ahead of its client: a thousand clients that never read must fit in memory. */
  streamPageBytes: 64 * KiB,
  /** Runs that may wait for a place before a submission is refused with 429. */
  queuedRuns: 10_000,
  /** Commands that may wait for the start of their sandbox before one is refused with 429. */
  sandboxStartsWaiting: 1_000,
  /** Open event streams per gateway. */
  eventStreams: 2_000,
  eventHeartbeatMs: 15_000,

  modelAttempts: 4,
  modelFirstByteMs: 120_000,
  modelIdleMs: 120_000,
  modelAttemptMs: 15 * 60_000,
  /** One answer of a provider; far above any real reply, far below the memory of a small machine. */
  modelAnswerBytes: 64 * MiB,
  modelBackoffFirstMs: 1_000,
  modelBackoffMaxMs: 60_000,

  /** Failing results in a row, whatever the calls were. */
  guardFailures: 12,
  /** The same call failing in the same way, in a row. */
  guardIdenticalFailures: 3,
  /** The same call with the same answer, in a row: a poll that goes nowhere. */
  guardIdenticalPolls: 5,

  /** What a build network talks to at once; npm opens 15. More are answered with 503, twice as many are cut. */
  egressConnections: 64,
  /** Names that are looked up at once, with those that nobody waits for any more: each may hold one of our threads. */
  egressLookups: 16,
  egressHeadBytes: 32 * KiB,
  /** Longer than a ClientHello with post-quantum keys ever is. */
  egressHelloBytes: 32 * KiB,
  /** From the client's request to a connection: name, addresses, upstream proxy. A client's head has as long. */
  egressConnectMs: 15_000,
  /** Without a byte from or to the host. */
  egressIdleMs: 120_000,
  /**
   * What one opening of a build network may send and receive, all its connections together: a toolchain is 300 MB, a
   * leak is not. The connection that goes over is cut, and later ones are refused.
   */
  egressUpBytes: 256 * MiB,
  egressDownBytes: 8 * GiB,
  /** Connections of one opening in all: each is an event, and an install of a thousand packages makes a few hundred. */
  egressConnectionsInAll: 10_000,
  /** Refusals that one opening reports, and of those that are the same; what comes on top is only counted. */
  egressDenials: 500,
  egressSameDenials: 16,
  /** Of one configuration file of a package client; a bundle of authorities is 250 KiB. */
  packageConfigurationBytes: 4 * MiB,

  /** How long a request waits for a person: over a holiday, not for ever. */
  approvalPendingMs: 30 * 24 * 60 * 60_000,
  /** How long a refusal is remembered: the same is not asked again today. */
  approvalRefusalMs: 24 * 60 * 60_000,
  /** How far an approval reaches when nobody says until when, and how far at most. */
  approvalScopeMs: 30 * 24 * 60 * 60_000,
  approvalScopeMaxMs: 366 * 24 * 60 * 60_000,
  /** Questions of one run tree within an hour: more than a person reads, so that nobody is tired into a yes. */
  approvalsPerHour: 60,
  /** Files of a request that are compared with those of the last approved one, and the size of one. */
  approvalDiffFiles: 100,
  approvalDiffBytes: 256 * KiB,
  /** One file that analysis reads; what is longer is said to be opaque. A megabyte of code is no script. */
  analysisFileBytes: 256 * KiB,
  /** Files and bytes that one analysis reads, and how often it asks for one: most imports are not beside the script. */
  analysisFiles: 200,
  analysisTotalBytes: 2 * MiB,
  analysisReads: 4_000,
  /** Files that a call makes and that are followed when they are run or loaded afterwards. */
  analysisWritten: 250,
  /** Files that load files, and code within code. */
  analysisDepth: 32,
  analysisNested: 3,
  /** Nesting of code: deeper than any that people write, far from the stack's end. */
  analysisNesting: 300,
  /** Nodes of one syntax tree, and steps to work out what its expressions are worth. */
  analysisNodes: 200_000,
  analysisSteps: 100_000,
  analysisFindings: 300,
  analysisPatternChars: 120,
  /** Files whose findings are remembered by their content. */
  analysisKept: 512,
  /** Of a shell command, with all that is carried in it as text for other shells: more is not read, and asked about. */
  commandCharacters: 4 * MiB,
  /** Texts within texts, such as `sh -c "sh -c …"`; honest ones have two. */
  commandDepth: 8,
  /** Wrappers around one program, such as `env nice timeout 5 …`. */
  commandWrappers: 32,
  commandsRead: 20_000,
  commandOpaquePlaces: 1_000,
  /** Commands that are remembered as read, the longest of them: about 100 MB if every one were the worst. */
  commandsKept: 256,
  commandKeptCharacters: 32 * KiB,

  /** How long a graceful stop waits for calls and streams before it lets go. */
  drainMs: 10_000,
  /** A blob younger than this is never swept: its row may still be on the way. */
  sweepSparesMs: 60 * 60_000,
} as const;
