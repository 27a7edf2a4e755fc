module.exports = require("../autonoetic_sdk/index.cjs");
