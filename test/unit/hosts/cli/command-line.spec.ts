import { describe, expect, it } from 'vitest';
import { COMMANDS } from '../../../../src-main/hosts/cli/commands.ts';
import type { Command } from '../../../../src-main/hosts/cli/command.ts';
import { cli } from '../../../support/cli.ts';

const echo: Command = {
  name: 'test echo',
  operands: 'WORD [WORD]',
  summary: 'Says what it got',
  options: {
    seed: { type: 'string', value: 'N', help: 'a number' },
    file: { type: 'string', multiple: true, value: 'PATH', help: 'files' },
    loud: { type: 'boolean', help: 'loudly' },
  },
  minOperands: 1,
  maxOperands: 2,
  run: (input, io) => {
    io.out(
      JSON.stringify({
        operands: input.operands,
        seed: input.count('seed') ?? null,
        files: input.values('file'),
        loud: input.isSet('loud'),
      }),
    );
    return 0;
  },
};
const crash: Command = {
  ...echo,
  name: 'crash',
  minOperands: 0,
  run: () => {
    throw new Error('a bug');
  },
};
const commands = [echo, crash];

describe('the command line', () => {
  it('hands operands and options to the command', async () => {
    const words = ['test', 'echo', 'a', '--seed', '0x10', '--file', 'x', '--file=y', '--loud', 'b'];
    const { code, out, said } = await cli(words, { commands });
    expect([code, said]).toEqual([0, '']);
    expect(JSON.parse(out)).toEqual({
      operands: ['a', 'b'],
      seed: 16,
      files: ['x', 'y'],
      loud: true,
    });
  });

  it.each([
    [['tset', 'echo'], 'There is no command tset\nDid you mean test echo?'],
    [['test'], 'Expected a command behind test, found nothing\nKnown: test echo'],
    [['test', 'ecko'], 'Expected a command behind test, found ecko\nDid you mean test echo?'],
    [['zzzzzzzzzz'], 'There is no command zzzzzzzzzz\nKnown: test echo, crash'],
    [['test', 'echo'], 'test echo needs WORD [WORD]\nsiov-lab test echo WORD [WORD]'],
    [['test', 'echo', 'a', 'b', 'c'], 'test echo takes no c\nsiov-lab test echo WORD [WORD]'],
    [['test', 'echo', 'a', '--sead', '3'], 'test echo has no option --sead\nDid you mean --seed?'],
    [['test', 'echo', 'a', '--seed', 'many'], 'Expected --seed with a whole number, found many'],
    [['test', 'echo', 'a', '--seed', '-1'], 'test echo has no option -1'],
    [['test', 'echo', 'a', '--seed'], "Option '--seed <value>' argument missing"],
    [['test', 'echo', 'a', '--loud=no'], "Option '--loud' does not take an argument"],
  ])('names what is wrong with %j and ends with 2', async (words, message) => {
    const { code, out, said } = await cli(words, { commands });
    expect([code, out]).toEqual([2, '']);
    expect(said).toContain(message);
  });

  it('tells a fault of ours from bad input', async () => {
    const { code, said } = await cli(['crash'], { commands });
    expect(code).toBe(3);
    expect(said).toContain('This is a fault of S-IOV Lab, not of your input:\nError: a bug');
  });

  it('explains itself', async () => {
    for (const words of [[], ['--help'], ['-h'], ['help']]) {
      const { code, out } = await cli(words, { commands });
      expect(code).toBe(0);
      expect(out).toContain('test echo');
    }
    const { out } = await cli(['test', 'echo', '--help'], { commands });
    expect(out).toContain('Usage: siov-lab test echo WORD [WORD] [options]');
    expect(out).toContain('--file PATH ...');
    expect((await cli(['help', 'test', 'echo'], { commands })).out).toBe(out);
    expect((await cli(['--version'])).out).toBe('9.9.9');
  });

  it('has help for every command', async () => {
    for (const { name } of COMMANDS) {
      const { code, out } = await cli([...name.split(' '), '--help']);
      expect([name, code]).toEqual([name, 0]);
      expect(out).toContain(`Usage: siov-lab ${name}`);
    }
  });
});
