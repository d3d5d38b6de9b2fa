// Exported variables for serverless.yml. What is exported empty is not set, as for lib/config.ts: a CI system exports a
// variable that nobody has set as an empty one, and `env:` would take that for its value.
'use strict';

/** What the switches of serverless.yml can be set to. */
const CHOICES = {
  SCHEDULES: ['on', 'off'],
  ALARMS: ['on', 'off'],
  DASHBOARD: ['on', 'off'],
  SIGNING_MODE: ['none', 'secret'],
  VPC_MODE: ['none', 'private'],
};

const isChoice = (name, value) => CHOICES[name]?.includes(value) ?? true;

/** Without a switch that is set to something else: aws/guard.cjs refuses it in words, Serverless in riddles. */
module.exports = () =>
  Object.fromEntries(
    Object.entries(process.env).filter(([name, value]) => value !== '' && isChoice(name, value)),
  );

/** @returns which switch is set to what it has not, or undefined. */
module.exports.switchFault = () => {
  const name = Object.keys(CHOICES).find((each) => process.env[each] && !isChoice(each, process.env[each]));
  return name === undefined ? undefined : `${name} must be ${CHOICES[name].join(' or ')}.`;
};
