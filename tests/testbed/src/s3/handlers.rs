//! The operations S3 clients call, over [`Store`].

use std::sync::Arc;

use async_trait::async_trait;
use hyper::HeaderMap;
use hyper::header::ETAG;
use s3s::dto::{self, ETagCondition, MetadataDirective};
use s3s::{Body, S3, S3Request, S3Response, S3Result, s3_error};

use super::multipart;
use super::pages;
use super::store::{Attributes, Conditions, Object, Store, no_such_key};
use super::upload::{Claims, copy_checksums, receive, verify};
use crate::faults::Faults;

/// The headers GET and HEAD share.
macro_rules! describe {
    ($output:expr, $object:expr) => {{
        let attributes = $object.attributes.clone();
        $output.accept_ranges = Some("bytes".to_owned());
        $output.e_tag = Some($object.etag());
        $output.last_modified = Some($object.modified.into());
        $output.content_type = attributes.content_type;
        $output.content_encoding = attributes.content_encoding;
        $output.content_disposition = attributes.content_disposition;
        $output.content_language = attributes.content_language;
        $output.cache_control = attributes.cache_control;
        $output.metadata = attributes.metadata;
    }};
}

type Answer<T> = S3Result<S3Response<T>>;

/// The implementation of the framework's trait.
#[derive(Debug)]
pub(crate) struct Handlers {
    pub(crate) bucket: String,
    pub(crate) region: String,
    pub(crate) store: Arc<Store>,
    pub(crate) faults: Arc<Faults>,
}

impl Handlers {
    fn check_bucket(&self, bucket: &str) -> S3Result<()> {
        if bucket == self.bucket { Ok(()) } else { Err(s3_error!(NoSuchBucket, "The specified bucket does not exist")) }
    }

    fn conditions(
        &self,
        if_match: Option<ETagCondition>,
        if_none_match: Option<&ETagCondition>,
    ) -> S3Result<Conditions> {
        if self.faults.is_ignoring_conditions() {
            return Ok(Conditions::default());
        }
        Conditions::new(if_match, if_none_match)
    }

    fn read(
        &self,
        key: &str,
        if_match: Option<&ETagCondition>,
        if_none_match: Option<&ETagCondition>,
    ) -> S3Result<Arc<Object>> {
        let object = self.store.get(key).ok_or_else(no_such_key)?;
        if if_match.is_some_and(|condition| !object.is_named_by(condition)) {
            return Err(s3_error!(PreconditionFailed, "At least one of the pre-conditions you specified did not hold"));
        }
        if if_none_match.is_some_and(|condition| object.is_named_by(condition)) {
            let mut unchanged = s3_error!(NotModified, "Not Modified");
            let mut headers = HeaderMap::new();
            headers.insert(ETAG, object.etag().to_http_header().map_err(|error| s3_error!(error, InternalError))?);
            unchanged.set_headers(headers);
            return Err(unchanged);
        }
        Ok(object)
    }
}

/// Removes the transfer framing, which S3 does not keep, from a content encoding.
fn without_framing(encoding: Option<String>) -> Option<String> {
    let kept: Vec<String> = encoding?
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty() && *part != "aws-chunked")
        .map(str::to_owned)
        .collect();
    if kept.is_empty() { None } else { Some(kept.join(",")) }
}

/// Reads a condition the framework does not know for this operation.
fn condition_header(headers: &HeaderMap, name: &str) -> S3Result<Option<ETagCondition>> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let condition = ETagCondition::parse_http_header(value.as_bytes());
    condition.map(Some).map_err(|error| s3_error!(error, InvalidArgument, "{name} is not an ETag"))
}

#[async_trait]
impl S3 for Handlers {
    async fn head_bucket(&self, req: S3Request<dto::HeadBucketInput>) -> Answer<dto::HeadBucketOutput> {
        self.check_bucket(&req.input.bucket)?;
        Ok(S3Response::new(dto::HeadBucketOutput { bucket_region: Some(self.region.clone()), ..Default::default() }))
    }

    async fn get_object(&self, req: S3Request<dto::GetObjectInput>) -> Answer<dto::GetObjectOutput> {
        let input = req.input;
        self.check_bucket(&input.bucket)?;
        if input.part_number.is_some() {
            return Err(s3_error!(NotImplemented, "Objects are read by range, not by part"));
        }
        let object = self.read(&input.key, input.if_match.as_ref(), input.if_none_match.as_ref())?;
        let total = object.bytes.len();
        let (bytes, content_range) = if let Some(range) = input.range {
            let range = range.check(total as u64)?;
            let text = format!("bytes {}-{}/{total}", range.start, range.end.saturating_sub(1));
            let bounds = usize::try_from(range.start)
                .and_then(|start| Ok(start..usize::try_from(range.end)?))
                .map_err(|error| s3_error!(error, InvalidRange))?;
            (object.bytes.slice(bounds), Some(text))
        } else {
            (object.bytes.clone(), None)
        };
        let content_length = i64::try_from(bytes.len()).ok();
        let mut output = dto::GetObjectOutput { content_length, ..Default::default() };
        describe!(output, object);
        if input.checksum_mode.is_some() && content_range.is_none() {
            copy_checksums!(output, &object.checksum);
            output.checksum_type.clone_from(&object.checksum.checksum_type);
        }
        output.content_range = content_range;
        output.body = Some(Body::from(bytes).into());
        Ok(S3Response::new(output))
    }

    async fn head_object(&self, req: S3Request<dto::HeadObjectInput>) -> Answer<dto::HeadObjectOutput> {
        let input = req.input;
        self.check_bucket(&input.bucket)?;
        let object = self.read(&input.key, input.if_match.as_ref(), input.if_none_match.as_ref())?;
        let content_length = i64::try_from(object.bytes.len()).ok();
        let mut output = dto::HeadObjectOutput { content_length, ..Default::default() };
        describe!(output, object);
        if input.checksum_mode.is_some() {
            copy_checksums!(output, &object.checksum);
            output.checksum_type.clone_from(&object.checksum.checksum_type);
        }
        Ok(S3Response::new(output))
    }

    async fn put_object(&self, req: S3Request<dto::PutObjectInput>) -> Answer<dto::PutObjectOutput> {
        let input = req.input;
        self.check_bucket(&input.bucket)?;
        let conditions = self.conditions(input.if_match.clone(), input.if_none_match.as_ref())?;
        let mut claims = Claims {
            md5: input.content_md5.clone(),
            algorithm: input.checksum_algorithm.as_ref().map(|algorithm| algorithm.as_str().to_owned()),
            trailers: req.trailing_headers,
            ..Claims::default()
        };
        copy_checksums!(claims.checksum, &input);
        let bytes = receive(input.body, input.content_length).await?;
        let checksum = verify(&bytes, claims)?;
        let attributes = Attributes {
            content_type: input.content_type,
            content_encoding: without_framing(input.content_encoding),
            content_disposition: input.content_disposition,
            content_language: input.content_language,
            cache_control: input.cache_control,
            metadata: input.metadata,
        };
        let object = Object::new(bytes, attributes, checksum);
        let mut output = dto::PutObjectOutput { e_tag: Some(object.etag()), ..Default::default() };
        copy_checksums!(output, &object.checksum);
        output.checksum_type.clone_from(&object.checksum.checksum_type);
        self.store.put(&input.key, object, &conditions)?;
        Ok(S3Response::new(output))
    }

    async fn delete_object(&self, req: S3Request<dto::DeleteObjectInput>) -> Answer<dto::DeleteObjectOutput> {
        let input = req.input;
        self.check_bucket(&input.bucket)?;
        self.store.delete(&input.key, &self.conditions(input.if_match, None)?)?;
        Ok(S3Response::with_status(dto::DeleteObjectOutput::default(), hyper::StatusCode::NO_CONTENT))
    }

    async fn delete_objects(&self, req: S3Request<dto::DeleteObjectsInput>) -> Answer<dto::DeleteObjectsOutput> {
        self.check_bucket(&req.input.bucket)?;
        let mut deleted = Vec::new();
        let mut errors = Vec::new();
        for named in req.input.delete.objects {
            let conditions = self.conditions(named.e_tag.map(ETagCondition::ETag), None)?;
            match self.store.delete(&named.key, &conditions) {
                Ok(()) => deleted.push(dto::DeletedObject { key: Some(named.key), ..Default::default() }),
                Err(error) => errors.push(dto::Error {
                    code: Some(error.code().as_str().to_owned()),
                    message: error.message().map(str::to_owned),
                    key: Some(named.key),
                    ..Default::default()
                }),
            }
        }
        let deleted = if req.input.delete.quiet == Some(true) { None } else { Some(deleted) };
        Ok(S3Response::new(dto::DeleteObjectsOutput { deleted, errors: Some(errors), ..Default::default() }))
    }

    async fn copy_object(&self, req: S3Request<dto::CopyObjectInput>) -> Answer<dto::CopyObjectOutput> {
        let input = req.input;
        self.check_bucket(&input.bucket)?;
        let dto::CopySource::Bucket { bucket, key: source, .. } = &input.copy_source else {
            return Err(s3_error!(NotImplemented, "Copies come from the bucket only"));
        };
        self.check_bucket(bucket)?;
        let if_none_match = condition_header(&req.headers, "if-none-match")?;
        let conditions = self.conditions(condition_header(&req.headers, "if-match")?, if_none_match.as_ref())?;
        let source = self.store.get(source).ok_or_else(no_such_key)?;
        let is_unwanted = input.copy_source_if_match.is_some_and(|condition| !source.is_named_by(&condition))
            || input.copy_source_if_none_match.is_some_and(|condition| source.is_named_by(&condition));
        if is_unwanted {
            return Err(s3_error!(PreconditionFailed, "At least one of the pre-conditions you specified did not hold"));
        }
        let is_replaced =
            input.metadata_directive.is_some_and(|directive| directive.as_str() == MetadataDirective::REPLACE);
        let attributes = if is_replaced {
            Attributes {
                content_type: input.content_type,
                content_encoding: without_framing(input.content_encoding),
                content_disposition: input.content_disposition,
                content_language: input.content_language,
                cache_control: input.cache_control,
                metadata: input.metadata,
            }
        } else {
            source.attributes.clone()
        };
        let object = Object::new(source.bytes.clone(), attributes, source.checksum.clone());
        let result = dto::CopyObjectResult {
            e_tag: Some(object.etag()),
            last_modified: Some(object.modified.into()),
            ..Default::default()
        };
        self.store.put(&input.key, object, &conditions)?;
        Ok(S3Response::new(dto::CopyObjectOutput { copy_object_result: Some(result), ..Default::default() }))
    }

    async fn list_objects_v2(&self, req: S3Request<dto::ListObjectsV2Input>) -> Answer<dto::ListObjectsV2Output> {
        self.check_bucket(&req.input.bucket)?;
        pages::list(&self.store, req.input).map(S3Response::new)
    }

    async fn create_multipart_upload(
        &self,
        req: S3Request<dto::CreateMultipartUploadInput>,
    ) -> Answer<dto::CreateMultipartUploadOutput> {
        self.check_bucket(&req.input.bucket)?;
        Ok(S3Response::new(multipart::create(&self.store, req.input)))
    }

    async fn upload_part(&self, req: S3Request<dto::UploadPartInput>) -> Answer<dto::UploadPartOutput> {
        self.check_bucket(&req.input.bucket)?;
        multipart::put_part(&self.store, req).await.map(S3Response::new)
    }

    async fn complete_multipart_upload(
        &self,
        req: S3Request<dto::CompleteMultipartUploadInput>,
    ) -> Answer<dto::CompleteMultipartUploadOutput> {
        self.check_bucket(&req.input.bucket)?;
        let conditions = self.conditions(req.input.if_match.clone(), req.input.if_none_match.as_ref())?;
        multipart::complete(&self.store, req.input, &conditions).map(S3Response::new)
    }

    async fn abort_multipart_upload(
        &self,
        req: S3Request<dto::AbortMultipartUploadInput>,
    ) -> Answer<dto::AbortMultipartUploadOutput> {
        self.check_bucket(&req.input.bucket)?;
        self.store.abort_upload(&req.input.key, &req.input.upload_id)?;
        Ok(S3Response::with_status(dto::AbortMultipartUploadOutput::default(), hyper::StatusCode::NO_CONTENT))
    }

    async fn list_parts(&self, req: S3Request<dto::ListPartsInput>) -> Answer<dto::ListPartsOutput> {
        self.check_bucket(&req.input.bucket)?;
        let upload = self.store.upload(&req.input.key, &req.input.upload_id)?;
        Ok(S3Response::new(multipart::list_parts(&upload, req.input)))
    }

    async fn list_multipart_uploads(
        &self,
        req: S3Request<dto::ListMultipartUploadsInput>,
    ) -> Answer<dto::ListMultipartUploadsOutput> {
        self.check_bucket(&req.input.bucket)?;
        multipart::list_uploads(&self.store, req.input).map(S3Response::new)
    }
}
