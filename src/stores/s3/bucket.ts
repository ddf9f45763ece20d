import { S3Client, S3ServiceException } from '@aws-sdk/client-s3'
import { StartRefused } from '#errors.ts'

/** A place in a bucket, as the settings name it. The prefix is empty or ends with `/`. */
export interface Bucket { name: string, prefix: string, endpoint: string, region: string }

/** The place that `s3://BUCKET/PREFIX` names. */
export function bucketAt (address: string, endpoint: string, region: string): Bucket {
  const [name = '', ...folders] = address.replace(/^s3:\/\//, '').split('/')
  return { name, prefix: folders.map(folder => `${folder}/`).join(''), endpoint, region }
}

/**
 * A client for the bucket. It finds credentials as all programs with the AWS SDK do, in variables, files or from the machine.
 * Servers other than AWS's get paths instead of host names for buckets, and no checksums that they may not know.
 */
export function bucketClient ({ endpoint, region }: Bucket): S3Client {
  return new S3Client({
    ...(region && { region }),
    ...(endpoint && { endpoint, region: region || 'us-east-1', forcePathStyle: true, requestChecksumCalculation: 'WHEN_REQUIRED', responseChecksumValidation: 'WHEN_REQUIRED' }),
    maxAttempts: 3,
    requestHandler: { connectionTimeout: 3000, requestTimeout: 30_000, throwOnRequestTimeout: true, socketTimeout: 60_000 }
  })
}

/** The error that stops a start. */
export function refusal ({ name, prefix, endpoint }: Bucket, cause: unknown): StartRefused {
  return new StartRefused(`EX10_BLOBS=s3://${name}/${prefix} cannot be used: ${whyUnusable(name, endpoint, cause as Error)}`, { cause })
}

export function statusOf (error: unknown): number | undefined {
  return error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined
}

function whyUnusable (name: string, endpoint: string, error: Error & { code?: string }): string {
  const status = statusOf(error)
  if (error.name === 'CredentialsProviderError') return 'there are no credentials for it; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE'
  if (/region is missing/i.test(error.message)) return 'its region is not known; set EX10_BLOBS_REGION'
  if (error.name === 'NoSuchBucket') return `there is no bucket ${name}; make it, or correct the name`
  if (status === 301 || error.name === 'PermanentRedirect') return 'it is in another region; set EX10_BLOBS_REGION'
  if (status === 401 || status === 403) return `the credentials may not write and delete there (${error.name}); give them s3:GetObject, s3:PutObject, s3:DeleteObject, s3:ListBucket and s3:AbortMultipartUpload`
  if (status !== undefined) return `the server answers ${status} (${error.name}); check the address and the server's log`
  return `${endpoint || 'the server'} does not answer (${error.code ?? error.name}); check EX10_BLOBS_ENDPOINT and the network`
}
