// Loaded with --require before any .ts file, on whatever Node runs, so it is plain old CommonJS.
'use strict';

const [major, minor] = process.versions.node.split('.').map(Number);
const runsTypeScript = major > 23 || (major === 23 && minor >= 6) || (major === 22 && minor >= 18);

if (!runsTypeScript) {
  process.stderr.write(
    `Node ${process.versions.node} cannot run this project's TypeScript.\n` +
      'npm normally installs a Node 24 beside the project (the optional package "node"), but it is not there.\n' +
      'Run "npm ci --include=optional" with network access and install scripts allowed, or install Node 22.18 or newer.\n',
  );
  // EX_CONFIG of sysexits(3): a service manager that knows it does not start the host again and again.
  process.exit(78);
}
