export * from "../autonoetic_sdk/index.cjs";
