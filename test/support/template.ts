export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };
export type JsonObject = { readonly [name: string]: Json };

export interface Resource {
  readonly Type: string;
  readonly Properties: JsonObject;
}

export interface Template {
  readonly Resources: Readonly<Record<string, Resource>>;
  readonly Outputs: Readonly<Record<string, JsonObject>>;
}

export interface RawTemplate {
  readonly Conditions: JsonObject;
  readonly Resources: Readonly<Record<string, Resource & { readonly Condition?: string }>>;
  readonly Outputs: Readonly<Record<string, JsonObject>>;
}

/**
 * The template as CloudFormation sees it: resources and outputs whose condition does not hold are gone, `Fn::If` is
 * decided, and so is what `AWS::NoValue` takes away. References stay as they are.
 *
 * @throws Error for a condition that is not defined, or that uses anything but Equals, Not, And and Condition.
 */
export function applyConditions({ Conditions, Resources, Outputs }: RawTemplate): Template {
  const holds = (name: Json | undefined): boolean => {
    const condition = typeof name === 'string' ? Conditions[name] : undefined;
    if (condition === undefined) throw new Error(`There is no condition ${JSON.stringify(name)}`);
    return evaluate(condition);
  };
  const evaluate = (condition: Json): boolean => {
    const [[operator, operands] = ['', null]] = Object.entries(condition ?? {});
    if (operator === 'Condition') return holds(operands);
    if (Array.isArray(operands)) {
      if (operator === 'Fn::Equals') return operands[0] === operands[1];
      if (operator === 'Fn::Not') return !evaluate(operands[0]);
      if (operator === 'Fn::And') return operands.every(evaluate);
    }
    throw new Error(`Cannot evaluate ${JSON.stringify(condition)}`);
  };
  const decide = (value: Json): Json => {
    if (Array.isArray(value)) return value.map(decide).filter((entry) => !isNoValue(entry));
    if (typeof value !== 'object' || value === null) return value;
    const choice = 'Fn::If' in value ? value['Fn::If'] : undefined;
    if (Array.isArray(choice)) return decide(holds(choice[0]) ? choice[1] : choice[2]);
    return decideObject(value as JsonObject);
  };
  const decideObject = (value: JsonObject): JsonObject =>
    Object.fromEntries(
      Object.entries(value)
        .map(([name, entry]): [string, Json] => [name, decide(entry)])
        .filter(([, entry]) => !isNoValue(entry)),
    );
  const present = <Entry extends { readonly Condition?: Json }>(entries: Readonly<Record<string, Entry>>) =>
    Object.entries(entries).filter(([, { Condition }]) => Condition === undefined || holds(Condition));
  return {
    Resources: Object.fromEntries(
      present(Resources).map(([id, { Type, Properties }]) => [
        id,
        { Type, Properties: decideObject(Properties) },
      ]),
    ),
    Outputs: Object.fromEntries(present(Outputs).map(([id, output]) => [id, decideObject(output)])),
  };
}

function isNoValue(value: Json): boolean {
  return typeof value === 'object' && value !== null && 'Ref' in value && value.Ref === 'AWS::NoValue';
}
