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

/** A switch with an unknown value is left out: aws/guard.cjs then refuses it, in clearer words than Serverless. */
module.exports = () =>
  Object.fromEntries(
    Object.entries(process.env).filter(([name, value]) => value !== '' && isChoice(name, value)),
  );

/** @returns which switch has an unknown value, and what it can be set to; or undefined. */
module.exports.switchFault = () => {
  const name = Object.keys(CHOICES).find((each) => process.env[each] && !isChoice(each, process.env[each]));
  return name === undefined ? undefined : `${name} must be ${CHOICES[name].join(' or ')}.`;
};
