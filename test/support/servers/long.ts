/** Whether the tests run in full numbers, for hours (`npm run test:long`), and not in those of every day. */
export const IS_LONG = process.env.EX10_TEST_LONG === '1'
