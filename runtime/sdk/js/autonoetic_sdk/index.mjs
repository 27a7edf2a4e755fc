import sdk from "./index.cjs";

export const {
  loadInvocation,
  load_invocation,
  init,
  AutonoeticSdkError,
  PolicyViolation,
  RateLimitExceeded,
  ApprovalRequiredError,
} = sdk;
