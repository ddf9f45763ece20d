import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import type { Programs } from '#domain/sessions/capabilities.ts'
import type { ProgramFile } from '#domain/programs/program.ts'
import { PROGRAM_NAMES, PROGRAMS, programsOf, type ProgramName } from '#domain/programs/programs.ts'
import type { SessionFacts, Template } from '#domain/session.ts'
import { answersHttp, waitForHttp } from '#system/kernel/tcp.ts'
import { IN_SANDBOX } from '#system/sandbox/sandbox.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The programs that run in sessions, from the table in src/domain/programs/programs.ts. */
    programs: Programs & {
      /** Starts the program if it is down. Resolves when it answers. */
      raise (facts: SessionFacts, name: ProgramName, signal: AbortSignal): Promise<void>
      /** Whether the program answers on its port; a program without a port answers as long as it runs. */
      answers (facts: SessionFacts, name: ProgramName, signal: AbortSignal): Promise<boolean>
      /** The files that the programs need in the home when they start. */
      files (facts: SessionFacts, template: Template): ProgramFile[]
    }
  }
}

async function programs (app: FastifyInstance): Promise<void> {
  const { npmRegistry } = app.config
  const launchOf = (facts: SessionFacts, template: Template) => ({ facts, template, store: IN_SANDBOX.template, npmRegistry })

  app.decorate('programs', {
    async start (facts, step, template, signal) {
      const launch = launchOf(facts, template)
      for (const name of programsOf(step)) {
        const { argv, env, inHome, notifies, crashLimit } = PROGRAMS[name]
        await app.services.start(facts, {
          name,
          argv: argv(launch),
          env: env?.(launch) ?? {},
          cwd: inHome ? facts.account.home : '/',
          notifies: notifies ?? false,
          once: crashLimit.pausesMs.some(ms => ms > 0)
        }, signal)
        await ready(facts, name, signal)
      }
    },
    async raise (facts, name, signal) {
      await app.services.raise(facts, name, signal, PROGRAMS[name].notifies)
      await ready(facts, name, signal)
    },
    async answers ({ slot }, name, signal) {
      const { answersAt } = PROGRAMS[name]
      return !answersAt || await answersHttp(slot[answersAt.port], answersAt.path, signal)
    },
    async stop (facts, step, signal) {
      for (const name of programsOf(step).reverse()) await app.services.stop(facts, name, signal, PROGRAMS[name].diesWithSandbox)
    },
    files: (facts, template) => PROGRAM_NAMES.flatMap(name => PROGRAMS[name].files?.(launchOf(facts, template)) ?? [])
  } satisfies FastifyInstance['programs'])
}

/** Resolves when the program answers on its port, if it has one. */
async function ready ({ slot }: SessionFacts, name: ProgramName, signal: AbortSignal): Promise<void> {
  const { answersAt } = PROGRAMS[name]
  if (answersAt) await waitForHttp(slot[answersAt.port], answersAt.path, signal)
}

export default fp(programs, { name: 'programs', dependencies: ['config', 'services'] })
