//! The specification of the port `Bucket`: every behaviour, over every implementation.

pub(crate) mod backends;
mod listing;
mod reads;
mod writes;

macro_rules! contract {
    ($($module:ident { $($behaviour:ident)* })*) => { $($(
        mod $behaviour {
            use super::{$module, backends};

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn memory() {
                $module::$behaviour(&backends::memory()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn prefixed_memory() {
                $module::$behaviour(&backends::prefixed_memory()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn directory() {
                $module::$behaviour(&backends::directory()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn s3() {
                $module::$behaviour(&backends::s3().await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn gcs() {
                $module::$behaviour(&backends::gcs()).await;
            }
        }
    )*)* };
}

contract! {
    writes {
        a_key_is_created_once
        an_update_needs_the_present_version
        every_write_changes_the_version
        of_64_creators_one_wins
        of_64_updaters_one_wins
        no_increment_of_a_counter_is_lost
        deleting_what_is_not_there_succeeds
        a_conditional_delete_spares_a_changed_object
        a_file_of_20_mib_arrives_whole
        files_arrive_whole
        a_file_that_cannot_be_read_is_no_fault_of_the_store
        copies_overwrite_and_leave_the_source
        odd_keys_are_keys_like_any_other
        the_longest_keys_are_keys_like_any_other
        conditions_are_found_to_be_honoured
    }
    reads {
        what_is_absent_is_not_found
        an_empty_object_is_an_object
        ranges_are_clamped_to_the_object
        ranges_that_hold_nothing_are_refused
        reads_obey_conditions
        all_calls_tell_the_same_of_an_object
        an_open_body_outlives_its_object
        bodies_beyond_the_bound_are_refused
    }
    listing {
        keys_come_in_byte_order
        a_prefix_ends_at_a_segment
        pages_follow_each_other
        listing_starts_after_any_text
        directories_are_told_from_keys
        directories_fill_more_than_a_page
        nothing_is_listed_where_nothing_is
        deleted_keys_are_gone_from_listings
    }
}
