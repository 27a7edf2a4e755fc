export * from "../autonoetic_sdk/index.mjs";
