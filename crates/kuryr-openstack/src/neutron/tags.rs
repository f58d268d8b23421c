//! Tags of resources.

use super::{Neutron, done, encode, encoding::segment, member, member_path, nonsense};
use crate::{Error, session::Repeat};
use futures_util::future::try_join_all;
use http::Method;
use kuryr_neutron::{Resource, Tag};

impl Neutron {
    /// Replaces all tags of a resource that nobody else tags.
    pub async fn set_tags<R: Resource>(&self, id: R::Id, tags: &[Tag]) -> Result<(), Error> {
        self.replace_tags::<R>(id, tags, Repeat::Safe).await
    }

    /// Gives a new resource its tags in one call. If the answer is lost, each is added by itself: whoever has seen them may
    /// have added others meanwhile.
    pub async fn set_first_tags<R: Resource>(&self, id: R::Id, tags: &[Tag]) -> Result<(), Error> {
        match self.replace_tags::<R>(id, tags, Repeat::Unsent).await {
            Err(error) if error.may_have_happened() => self.add_tags::<R>(id, tags).await,
            result => result,
        }
    }

    async fn replace_tags<R: Resource>(&self, id: R::Id, tags: &[Tag], repeat: Repeat) -> Result<(), Error> {
        let path = format!("{}/tags", member_path::<R>(id));
        let answer = self.call(Method::PUT, path, Some(encode("tags", tags)?), repeat).await.result?;
        let told: Vec<String> = member(&answer, "tags")?;
        if tags.iter().all(|tag| told.iter().any(|told| told == tag.as_str())) {
            return Ok(());
        }
        Err(nonsense(&answer, format!("it tells of {} tags that are others", told.len())))
    }

    /// Adds a tag; one that is there stays.
    pub async fn add_tag<R: Resource>(&self, id: R::Id, tag: &Tag) -> Result<(), Error> {
        done(&self.call(Method::PUT, tag_path::<R>(id, tag)?, None, Repeat::Safe).await.result?)
    }

    /// Adds tags, each by itself: others may be tagging the same at this moment.
    pub async fn add_tags<R: Resource>(&self, id: R::Id, tags: &[Tag]) -> Result<(), Error> {
        try_join_all(tags.iter().map(|tag| self.add_tag::<R>(id, tag))).await.map(drop)
    }

    /// Removes a tag; one that is not there is no error, a resource that is not there is.
    pub async fn remove_tag<R: Resource>(&self, id: R::Id, tag: &Tag) -> Result<(), Error> {
        match self.delete_path(tag_path::<R>(id, tag)?, None).await {
            Err(error) if error.error_type() == "TagNotFound" => Ok(()),
            result => result,
        }
    }

    /// Removes tags, each by itself: others may be tagging the same at this moment.
    pub async fn remove_tags<R: Resource>(&self, id: R::Id, tags: &[Tag]) -> Result<(), Error> {
        try_join_all(tags.iter().map(|tag| self.remove_tag::<R>(id, tag))).await.map(drop)
    }
}

fn tag_path<R: Resource>(id: R::Id, tag: &Tag) -> Result<String, Error> {
    // Everything between here and Neutron may resolve these, encoded or not, and call something else.
    if tag == "." || tag == ".." {
        return Err(Error::Invalid {
            field: "tag",
            value: tag.to_string(),
            expected: "a tag other than '.' and '..', which no path can name".to_owned(),
        });
    }
    Ok(format!("{}/tags/{}", member_path::<R>(id), segment(tag.as_str())))
}
