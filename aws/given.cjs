// Exported variables for serverless.yml. What is exported empty is not set, as for lib/config.ts: a CI system exports a
// variable that nobody has set as an empty one, and `env:` would take that for its value.
'use strict';

module.exports = () => Object.fromEntries(Object.entries(process.env).filter(([, value]) => value !== ''));
