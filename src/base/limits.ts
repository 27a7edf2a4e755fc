/**
 * Every limit of the gateway that is not a run's own (I9): value, unit in the name, and why it is what it is. Reaching
 * one is a named result, event or error, never an accident. What an operator may change is in `config.ts`.
 */
const KiB = 1024;
const MiB = 1024 * KiB;
const GiB = 1024 * MiB;

export const limits = {
  /**
   * Values that a gateway knows at once, to keep them out of its log: those of all runs that are driven. One in all its
   * spellings takes some 5 KB.
   */
  knownSecrets: 20_000,
  /** Of those that nobody needs any more, the last ones are known still: a late line may hold them. */
  knownSecretsReleased: 256,

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
  /** Facts and values that one agent keeps, and how many of a scope one search reads. */
  factsOfAgent: 10_000,
  stateKeysOfAgent: 10_000,
  factsSearched: 5_000,
  /** Of the facts that a search looks at, the newest: each may be as long as a request. */
  factsSearchedBytes: 8 * MiB,
  /** One request of the SDK with all that is in it: an event holds it, and no blob. */
  sdkRequestBytes: 48 * KiB,
  /** Connections of one run, requests of it that wait, requests within a second, and at once after a pause. */
  sdkConnections: 16,
  sdkWaiting: 64,
  sdkPerSecond: 100,
  sdkBurst: 200,
  /** Requests of one run that are answered, and refusals of the policy that are written down: each is an event. */
  sdkRequestsInAll: 20_000,
  /** Of their events together: what a run may lay into its journal by them. */
  sdkBytesInAll: 64 * MiB,
  sdkDenials: 50,
  /** Input of a script that it has in its environment; what is longer it reads from its file. The kernel takes 128 KiB. */
  scriptVariableBytes: 96 * KiB,
  /** Of all secrets in the environment of one command; the kernel takes 2 MiB for arguments and environment together. */
  secretEnvironmentBytes: 512 * KiB,

  /** A JSON Schema of a manifest: what the input of an agent has to be. */
  inputSchemaBytes: 64 * KiB,
  /** Making a validator of it, and holding one input against it. Schemas are other people's: they may never end. */
  inputSchemaCompileMs: 2_000,
  inputCheckMs: 500,
  /** Validators that are kept made. */
  inputValidators: 256,

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
  /** Runs of one workspace whose directories are kept after their end: each holds disk and a host uid. */
  retainedRuns: 50,
  /** Runs that may wait for a place before a submission is refused with 429. */
  queuedRuns: 10_000,
  /** Runs of one tree, with those that have ended: a planner that goes in a circle ends here and not on the disk. */
  treeRuns: 1_000,
  /** What `GET /api/runs/{id}/tree` answers with: prompts and replies of all its runs, of which honest ones take kilobytes. */
  treeBytes: 64 * MiB,
  /** Runs below each other: a lead, its planners, their specialists, and room. */
  treeDepth: 8,
  /** How often a run is taken up again that could not be driven, at growing distances, before it ends as `internal`. */
  driveAttempts: 6,
  driveBackoffFirstMs: 500,
  driveBackoffMaxMs: 30_000,
  /** Tasks that one `workflow_wait` names. */
  waitTasks: 200,
  /** What is told of the reply of a task where many are told of. */
  taskSummaryChars: 512,
  /** Tasks of each kind that `workflow_state` lists, the newest. */
  stateTasks: 50,
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
  /** The body of one call of a proxy endpoint at the API: the most that a policy can allow. */
  proxyRequestBytes: 64 * MiB,
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
  /** Connections of one run to one upstream at once; a call beyond them is refused, and may be made again. */
  upstreamConnections: 32,
  /** Of those, the ones that are kept without a request, and how long. */
  upstreamIdleConnections: 8,
  upstreamIdleMs: 30_000,
  /** Of a call of a proxy endpoint; what is longer belongs into a body. */
  proxyPathBytes: 8 * KiB,
  proxyQueryBytes: 16 * KiB,
  proxyHeaders: 100,
  /** Calls of endpoints that one run has going on; a client with more is told to slow down. */
  proxyCallsAtOnce: 64,
  /** Between two looks for a free connection, of calls that are more than an upstream has connections. */
  proxyConnectionWaitMs: 25,
  /** Of one body that travels inside an envelope, which is a text in memory; plain HTTP streams and has no such limit. */
  proxyEnvelopeBytes: 32 * MiB,
  /** Of all such bodies that one run may be answered with at once. */
  proxyEnvelopesBytes: 64 * MiB,
  /** Of what a refused client still sends: read and dropped, so that it gets to reading the answer. */
  proxyDrainBytes: 16 * MiB,
  proxyDrainMs: 2_000,
  /** Of one configuration file of a package client; a bundle of authorities is 250 KiB. */
  packageConfigurationBytes: 4 * MiB,

  /** Secrets of one workspace. */
  workspaceSecrets: 500,
  /**
   * All values of one workspace that are spent or still cut out, and their bytes: every text that is written down is
   * searched for each of them.
   */
  workspaceSecretValues: 2_000,
  workspaceSecretBytes: 4 * MiB,
  /** How long a value that was replaced or deleted is still cut out: whoever was given it may still hold it. */
  secretMaskedMs: 30 * 24 * 60 * 60_000,
  /** How long a former key of the vault is kept at least: what is sealed at the moment of the change is still on its way. */
  vaultFormerKeyMs: 10 * 60_000,
  /** Sealed values that are sealed anew in one transaction. */
  resealedAtOnce: 100,
  /** The head of an upstream's answer, and its headers: far more than honest ones send. */
  proxyAnswerHeadBytes: 64 * KiB,
  proxyAnswerHeaders: 256,
  /** Answers such as 103 before the one that counts. */
  proxyInterimAnswers: 8,
  /** What a compressed answer may come with beyond twice its content: blocks without content have no end. */
  proxyAnswerSlackBytes: 256 * KiB,

  /** How long a run waits for what others of its tree have reserved: about as long as a model may take. */
  budgetWaitMs: 10 * 60_000,
  /** An answer shorter than this is not worth asking for, in tokens. */
  budgetOutputTokensMin: 256,
  /** The longest answer that a tree with a budget asks for: all of it is reserved until it is there. */
  budgetOutputTokens: 32_000,
  /** What a provider adds to a request, in tokens: marks around messages; with tools, how to use them. */
  budgetRequestTokens: 64,
  budgetToolsTokens: 1_024,

  /** Tools that one MCP server may offer, and that a model is shown of all servers: OpenAI takes 128 in all. */
  mcpTools: 256,
  mcpToolsShown: 100,
  mcpToolsShownBytes: 256 * KiB,
  mcpToolNameChars: 256,
  /** What a tool says of itself, and the schema of its arguments: every turn sends them. */
  mcpDescriptionChars: 2_048,
  mcpSchemaBytes: 16 * KiB,
  /** All of that for one server. */
  mcpListBytes: 512 * KiB,
  mcpPages: 64,
  /** What a server may tell of them to begin with: it is read on the one thread that there is. */
  mcpToolsTold: 4_096,
  mcpListAnswerBytes: 4 * MiB,
  /** Asking one server for its tools, handshake and pages together; a later turn asks again, so often in all. */
  mcpListMs: 30_000,
  mcpListAttempts: 3,
  /** How long a server may think about a question that only newer ones know. */
  mcpDiscoverMs: 5_000,
  /** One answer of a server, all its parts. */
  mcpAnswerBytes: 16 * MiB,
  /** Of a result, what the model is shown at once; what is longer becomes content. */
  mcpShownBytes: 64 * KiB,
  mcpHeadBytes: 4 * KiB,
  /** What a model and the journal are told of a server's complaint. */
  mcpErrorChars: 2_000,
  /** Files that one result brings. */
  mcpFiles: 32,
  /** While one call is answered: what viewers are told, what a server asks back, how often a broken answer is taken up. */
  mcpProgress: 1_000,
  mcpServerRequests: 32,
  mcpResumes: 100,
  /** Telling a server that nobody waits any more, or that the session is over. */
  mcpFarewellMs: 2_000,

  /** How long a request waits for a person: over a holiday, not for ever. */
  approvalPendingMs: 30 * 24 * 60 * 60_000,
  /** How long a refusal is remembered: the same is not asked again today. */
  approvalRefusalMs: 24 * 60 * 60_000,
  /** How far an approval reaches when nobody says until when, and how far at most. */
  approvalScopeMs: 30 * 24 * 60 * 60_000,
  approvalScopeMaxMs: 366 * 24 * 60 * 60_000,
  /** Questions of one run tree within an hour: more than a person reads, so that nobody is tired into a yes. */
  approvalsPerHour: 60,
  /** How long a question of an agent waits for a person, and how often a run tree asks within an hour. */
  interactionPendingMs: 7 * 24 * 60 * 60_000,
  interactionsPerHour: 60,
  /** Of one question and of what is said beside it: a person reads it whole. */
  questionChars: 8_000,
  questionContextChars: 16_000,
  /** One message of an agent to another, and how many a run has that its model was not told yet. */
  messageChars: 16_000,
  messagesUnread: 100,
  /** Calls of a run tree that one search looks through, the newest. */
  executionsSearched: 10_000,
  /** What a fork remembers, as text: more than any model's context. */
  forkTranscriptBytes: 32 * MiB,
  /** Versions of content, and artifacts, that a fork has from the beginning: the newest. */
  forkContents: 5_000,
  forkArtifacts: 1_000,
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

  /** Agents of one workspace, and the revisions of one: a pipeline that installs one a day for years. */
  workspaceAgents: 500,
  agentRevisions: 1_000,
  /** Manifests and instructions of all revisions of a workspace: a list of its agents holds those that are active. */
  workspaceAgentBytes: 64 * MiB,
  /** The folder of one agent: texts and scripts. What is larger belongs into an artifact or a layer. */
  agentFiles: 256,
  agentBytes: 8 * MiB,

  /** Skills and bundles of files of one run: each is a mount that every command pays for. */
  runBundles: 64,
  runBundleBytes: 512 * MiB,
  /** All that is said to a model before the prompt, with every turn. */
  instructionBytes: 512 * KiB,
  /** Bundles of one workspace that are not deleted, of all kinds, and their files together. */
  workspaceBundles: 1_000,
  workspaceBundleBytes: 8 * GiB,
  /** Zips that are unpacked at once: each is in memory. */
  bundlesUnpackedAtOnce: 4,
  /** Bundles that are written as directories at once: their files are in memory. */
  bundlesPlacedAtOnce: 4,
  /** How long what was unpacked waits for the record or the run that will hold it; less than a sweep spares. */
  bundleKeptMs: 30 * 60_000,

  /** How long a graceful stop waits for calls and streams before it lets go. */
  drainMs: 10_000,
  /** A blob younger than this is never swept: its row may still be on the way. */
  sweepSparesMs: 60 * 60_000,
} as const;
