#!/usr/bin/env node
import { loadInvocation } from "autonoetic_sdk";

const { input } = loadInvocation();
const words = input.text.split(/\s+/).filter((word) => word !== "");
console.log(JSON.stringify({ words: words.length }));
