// What every driver prints: one line a step, and at the end how many held.

export class Steps {
  constructor(name) {
    this.name = name;
    this.passed = 0;
    this.failed = 0;
    console.log(name);
  }

  /** Runs one step; a failure is printed and ends the driver. */
  async step(title, work) {
    const started = Date.now();
    try {
      const value = await work();
      this.passed += 1;
      console.log(`  ok    ${title} (${Date.now() - started} ms)`);
      return value;
    } catch (error) {
      this.failed += 1;
      console.log(`  FAIL  ${title}: ${error?.stack ?? error}`);
      this.end();
    }
  }

  say = (line) => console.log(`        ${line}`);

  /** Prints the closing line and leaves. */
  end() {
    console.log(`${this.passed} passed, ${this.failed} failed`);
    process.exit(this.failed === 0 && this.passed > 0 ? 0 : 1);
  }
}

/** Throws `message` unless `truth` holds. */
export function expect(truth, message) {
  if (!truth) throw new Error(message);
}

/** Reads an environment variable that must be there. */
export function required(name) {
  const value = process.env[name];
  if (!value) {
    console.error(`${name} must be set`);
    process.exit(2);
  }
  return value;
}
