import { readSecret } from './secret-file.ts'

/** The password of the store's server, from the file that EX10_STORE_PASSWORD_FILE names; undefined without one. @throws {StartRefused} when users other than root can read it */
export function storePassword ({ storePasswordFile: file }: { storePasswordFile: string }): string | undefined {
  return file === '' ? undefined : readSecret('EX10_STORE_PASSWORD_FILE', file, 'change the password')
}
