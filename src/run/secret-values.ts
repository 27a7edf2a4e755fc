/** Secrets for the environment of a run's commands: by name, and as values in the moment in which one is started. */
export interface SecretValues {
  /** Every name that there is: of this run, and of its workspace. */
  names(): Promise<string[]>;
  /** What there is none of, or what cannot be opened, is left out. */
  values(names: readonly string[]): Promise<Record<string, string>>;
}

export interface SecretValuesOptions {
  /** The secrets that came with the run: they are stronger than those of its workspace. */
  ofRun(name: string): string | undefined;
  namesOfRun(): string[];
  /** The secrets of the workspace. Left out: there are none. */
  workspaceValue?: (name: string) => Promise<string | undefined>;
  workspaceNames?: () => Promise<string[]>;
}

/** Nothing is kept here: a secret of the workspace that was rotated or deleted is no more what it was for the next call. */
export function openSecretValues(options: SecretValuesOptions): SecretValues {
  const { ofRun, namesOfRun, workspaceValue, workspaceNames } = options;
  return {
    async names() {
      return [...new Set([...namesOfRun(), ...((await workspaceNames?.()) ?? [])])].sort();
    },
    async values(names) {
      const values = new Map<string, string>();
      for (const name of names) {
        const value = ofRun(name) ?? (await workspaceValue?.(name));
        if (value !== undefined) values.set(name, value);
      }
      return Object.fromEntries(values);
    },
  };
}
