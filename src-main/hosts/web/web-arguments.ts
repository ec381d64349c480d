import { parseArgs } from 'node:util';

export interface WebArguments {
  readonly port: number;
  /** Open a window in an installed browser, where there is a display. */
  readonly isOpening: boolean;
  readonly isHelp: boolean;
}

export const WEB_HELP = `Usage: npm start -- [options]

Opens S-IOV Lab. Without Electron it runs as a web page of this machine only.

  --port N    listen on this port of 127.0.0.1 (default: a free one)
  --no-open   print the address and open no window
  --web       use the browser even where Electron is installed
  --help      print this text

Learner files are kept in the folder that SIOV_LAB_HOME names, else with the system's
application data.`;

/** Throws an Error whose message tells the user what was expected. */
export function parseWebArguments(argv: readonly string[]): WebArguments {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      port: { type: 'string', default: '0' },
      'no-open': { type: 'boolean', default: false },
      web: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const port = Number(values.port);
  if (!/^\d+$/.test(values.port) || port > 65_535) {
    throw new Error(`Expected --port with a number from 0 to 65535, found ${values.port}`);
  }
  return { port, isOpening: !values['no-open'], isHelp: values.help };
}
