/** How many files of tests one run has side by side; bin/test.mjs says it to tap. */
const JOBS = 2

/**
 * Which ports, uids and names a test process has to itself, 0 to 7: EX10_TEST_SPAN (0 to 3) keeps runs of the tests on one
 * machine apart, and tap's number of the job the files of one run.
 */
export const SPAN = Number(process.env.EX10_TEST_SPAN ?? 0) * JOBS + Number(process.env.TAP_JOB_ID ?? 0)
