//! The list of all promises.

use super::{Capability, Promise};

/// Calls the macro `expand` with all promises by group: `group { promise promise [WhatItNeeds] } …`, where what it needs is a
/// [`Capability`] that not every backend has.
///
/// A promise that isn't listed here is dead code, and the compiler says so.
#[macro_export]
macro_rules! every_promise {
    ($expand:ident) => {
        $expand! {
            records {
                a_new_record_reads_back_as_it_was_written
                what_was_never_written_is_not_there
                many_are_read_at_once_each_in_its_place
                each_write_counts_the_version_up_by_one
                the_versions_of_a_commit_stand_in_the_order_of_its_writes
                a_wrong_version_is_a_conflict_that_tells_what_stands_there
                absent_refuses_a_record_that_is_there
                a_version_cannot_be_expected_of_what_is_not_there
                any_writes_over_whatever_stands_there
                a_conflict_leaves_nothing_half_done
                a_deleted_record_is_gone_and_goes_on_counting_when_created_anew
                deleting_what_is_not_there_is_no_error
                null_is_a_value_and_not_a_deletion
                text_of_any_language_and_every_number_comes_back_as_it_was
                ids_that_look_alike_are_different_records
                a_large_record_comes_back_whole
                tenants_and_collections_do_not_share_records
                of_many_who_write_over_one_version_exactly_one_wins
                no_increment_is_lost_among_concurrent_writers
                a_unit_without_writes_is_applied
                ninety_nine_writes_and_events_fit_into_one_unit_with_its_request_key
                a_hundred_writes_and_events_are_refused
                another_tenants_record_or_event_is_refused
                an_event_whose_body_is_not_what_its_attributes_say_is_refused
                writes_that_no_event_tells_of_are_refused_unless_it_is_said
                a_record_that_is_written_twice_is_refused
            }
            listing {
                a_listing_is_in_the_order_of_ids
                pages_give_every_record_exactly_once
                a_listing_of_nothing_is_empty_and_has_no_next_page
                a_listing_goes_on_after_an_id_that_is_gone
                the_characters_of_a_prefix_stand_for_themselves
                a_deleted_record_is_not_listed
                a_listing_crosses_neither_tenants_nor_collections
                large_records_are_listed_whole_on_as_many_pages_as_it_takes
                a_page_of_large_records_ends_early_and_goes_on_with_the_next
            }
            requests {
                a_repeated_request_gets_the_first_answer_and_writes_nothing
                a_repetition_is_seen_before_any_version_is_looked_at
                the_whole_answer_is_kept
                a_request_that_was_never_committed_has_no_answer
                the_same_key_for_another_request_is_refused
                request_keys_belong_to_their_tenant
                a_request_key_may_hold_any_text
                of_concurrent_duplicates_of_a_request_exactly_one_is_applied
            }
            outbox {
                a_committed_event_is_delivered_although_its_committer_died
                a_committed_event_is_delivered_when_it_is_published_at_once
                events_of_a_refused_commit_are_never_delivered
                an_event_is_pending_until_it_is_marked [PendingEvents]
                the_oldest_pending_events_come_first_and_no_more_than_asked_for [PendingEvents]
                what_was_just_committed_is_left_to_the_fast_path
                marking_twice_or_what_does_not_exist_does_nothing
            }
            publisher {
                every_subscribed_queue_gets_the_event_byte_for_byte
                type_and_tenant_travel_as_attributes
                a_filter_by_type_lets_every_version_of_it_through_and_no_other_type
                a_filter_by_tenant_keeps_the_others_out
                a_queue_without_a_subscription_gets_nothing
                an_event_that_nobody_wants_is_published_all_the_same
                a_batch_of_any_size_gives_one_result_per_event_and_delivers_each
                an_empty_batch_is_no_work
                publishing_an_event_again_is_safe
                a_body_over_the_limit_travels_as_a_claim_check
                a_committed_body_over_the_limit_arrives_whole
                bodies_around_the_limit_arrive_whole
            }
            queue {
                a_message_arrives_as_it_was_sent
                an_attribute_may_have_any_name [AnyAttributeName]
                any_bytes_are_a_body [BinaryBodies]
                a_body_of_one_mebibyte_fits
                a_batch_of_any_size_is_sent_and_each_message_has_its_own_id
                no_more_is_received_than_was_asked_for
                queues_do_not_share_messages_or_receipts
                a_delayed_message_is_hidden_until_its_delay_is_over
                without_a_message_a_receive_ends_empty_after_its_wait
                a_waiting_receive_gets_a_message_when_it_is_sent
                a_waiting_receive_gets_a_message_when_its_delay_is_over
                a_waiting_receive_gets_a_message_when_its_lease_lapses
                a_waiting_receive_gets_a_message_that_is_given_back
                two_receivers_never_hold_the_same_message
                a_dropped_receive_leaves_nothing_leased_for_longer_than_its_lease
                depth_tells_how_many_messages_are_where
                a_delay_until_the_end_of_time_is_no_error
                a_receipt_that_never_was_is_stale
            }
            leases {
                a_leased_message_is_hidden
                a_message_whose_lease_lapses_is_delivered_again_and_counted
                an_acked_message_never_comes_back
                a_stale_receipt_cannot_ack [StaleReceipts]
                a_stale_receipt_cannot_extend [StaleReceipts]
                a_stale_receipt_cannot_release [StaleReceipts]
                a_stale_receipt_cannot_dead_letter [StaleReceipts]
                the_receipt_of_a_released_message_is_stale_once_it_is_delivered_again [StaleReceipts]
                a_message_is_acked_once [StaleReceipts]
                an_ack_after_the_lease_and_before_the_next_delivery_is_either_taken_or_told_stale
                an_extended_lease_keeps_the_message_hidden
                an_extension_counts_from_now_and_can_also_shorten
                a_message_that_is_given_back_is_there_at_once_as_it_was
                a_message_that_is_given_back_with_a_delay_is_hidden_until_then
                one_stale_receipt_in_a_batch_of_acks_fails_alone [StaleReceipts]
                one_stale_receipt_in_a_batch_of_extensions_fails_alone [StaleReceipts]
                one_stale_receipt_in_a_batch_of_releases_fails_alone [StaleReceipts]
                one_stale_receipt_in_a_batch_of_dead_letters_fails_alone [StaleReceipts]
                batches_larger_than_a_brokers_are_carried_out_whole
                an_empty_batch_has_no_results
                the_same_receipt_twice_in_a_batch_acks_one_message
                a_dead_letter_is_the_message_as_it_was_and_its_failure
                a_dead_letter_keeps_any_bytes [BinaryBodies]
                a_dead_letter_keeps_attributes_of_any_name [AnyAttributeName]
                a_dead_letter_keeps_its_age [DeadLettersKeepTheirAge]
                the_receipt_of_a_dead_letter_is_stale [StaleReceipts]
            }
            inbox {
                the_first_claim_wins_and_its_record_is_the_first_attempt
                a_key_that_was_never_claimed_has_no_record
                a_claim_repeated_with_its_fence_is_answered_like_the_first
                while_the_lease_runs_others_are_told_until_when
                a_lapsed_claim_is_taken_over_with_one_attempt_more
                a_claim_never_expires_by_itself
                what_was_being_sent_is_in_doubt_after_a_take_over
                another_payload_under_the_same_key_is_a_mismatch_in_every_state
                what_is_done_is_never_run_again_also_not_when_it_is_replayed
                what_is_in_doubt_stays_so_and_never_expires
                only_a_claim_to_reconcile_takes_what_is_in_doubt_and_it_uses_no_attempt
                a_claim_to_reconcile_is_otherwise_like_any_other
                of_concurrent_claims_to_reconcile_exactly_one_wins
                what_failed_runs_again_only_when_it_was_replayed_since
                what_has_expired_is_forgotten
            }
            ledger {
                a_worker_that_was_taken_over_can_write_nothing
                a_record_that_is_not_there_cannot_be_written
                a_late_write_changes_nothing
                a_write_repeated_is_the_same_as_once
                every_field_of_a_record_comes_back_as_it_was
                consumers_and_events_have_records_of_their_own
                of_concurrent_claims_exactly_one_wins
                of_concurrent_take_overs_exactly_one_wins
                whatever_is_asked_the_answers_are_those_of_the_rules
                whatever_is_asked_at_once_the_answers_are_those_of_the_rules
            }
            doubts {
                a_resolved_doubt_is_what_it_was_resolved_to_and_its_job_goes_on
                what_is_not_in_doubt_is_not_resolved
                of_what_was_never_tried_nothing_can_be_resolved
                a_step_that_is_being_sent_is_resolved_only_after_its_lease
                of_two_doubts_of_a_job_one_can_be_resolved_and_the_other_stays
                of_concurrent_resolutions_exactly_one_settles_the_doubt
                a_doubt_that_is_being_looked_into_is_resolved_only_after_that
            }
            dead_letters {
                every_letter_is_taken_once_and_is_hidden_while_it_is_held
                two_takers_at_once_never_hold_the_same_letter
                a_letter_that_is_given_back_can_be_taken_at_once
                a_lease_that_ends_frees_its_letter_and_one_that_is_held_on_does_not
                a_deleted_letter_never_comes_back
                a_letter_belongs_to_whoever_took_it_last [StaleReceipts]
                a_look_without_leases_gives_every_letter_once_and_touches_none
                letters_that_are_asked_for_by_their_ids_are_taken_and_no_others
                a_letter_that_is_sent_to_its_consumer_arrives_as_it_was
                a_letter_that_is_put_aside_keeps_its_attributes_with_their_types
                what_is_sent_twice_is_there_twice_under_two_ids
                a_letter_of_an_event_carries_it_and_so_does_its_copy
                the_topic_passes_a_letter_on_to_those_who_want_it
                queues_are_listed_with_whose_they_are_and_how_full
                a_queue_that_is_not_there_is_told_by_its_name
                the_backlog_of_a_queue_counts_what_waits
                the_ledger_is_in_the_order_that_was_asked_for_and_tells_what_is_not_there
                a_change_that_was_parked_is_a_letter_of_its_reaction
            }
            audit {
                every_field_of_an_entry_comes_back_as_it_was
                entries_are_read_page_by_page_in_their_order
                of_many_who_write_at_once_each_has_its_own_place_in_the_chain
            }
            reopen {
                a_done_job_that_is_reopened_is_claimed_anew_by_a_replay_only
                what_is_in_doubt_failed_or_unknown_is_not_reopened
            }
            deliveries {
                of_a_message_without_news_nothing_is_known
                every_field_of_the_news_comes_back_as_it_was
                news_in_any_order_come_to_the_same
                the_same_news_told_twice_are_the_same_as_once
                that_it_arrived_is_stronger_than_that_it_was_given_up
                of_news_told_at_once_the_furthest_is_kept
                news_of_one_message_are_not_taken_for_news_of_another
                messages_do_not_share_their_news
            }
            changes {
                each_write_tells_who_wrote_what_over_what
                null_and_nothing_are_told_apart
                every_write_of_a_commit_is_a_change
                what_was_refused_or_repeated_is_no_change
                the_changes_of_a_record_come_in_order_and_later_ones_have_greater_positions
                positions_sort_as_they_were_given_also_past_the_tenth_and_the_hundredth
                changes_come_again_until_they_are_checkpointed
                a_checkpoint_never_goes_back
                each_reaction_reads_at_its_own_pace
                a_waiting_read_gets_a_change_when_it_is_written
                without_a_change_a_read_ends_empty_after_its_wait
                a_parked_change_is_a_dead_letter_of_its_reaction_with_the_failure
                a_change_that_is_parked_twice_is_not_lost
                a_reader_among_concurrent_writers_misses_nothing
            }
            schedules {
                a_message_arrives_when_it_is_due_and_not_before
                a_scheduled_message_keeps_its_attributes
                the_past_means_now
                the_delay_of_its_message_is_ignored
                putting_a_name_again_replaces_message_and_moment
                a_replacement_may_go_to_another_queue
                a_cancelled_schedule_never_arrives
                what_was_never_scheduled_or_is_delivered_cannot_be_cancelled
                a_name_put_again_after_its_delivery_is_a_new_message
                a_delivered_message_outlives_a_new_schedule_of_its_name
                schedules_of_different_names_do_not_touch_each_other
                a_date_centuries_away_is_kept
                an_unknown_queue_is_refused_by_name_and_nothing_is_replaced
            }
            runs {
                a_stored_run_comes_back_as_it_was [KeepsRuns]
                a_name_is_taken_once_and_what_stands_there_stays [KeepsRuns]
                of_concurrent_changes_of_one_revision_exactly_one_is_made [KeepsRuns]
                a_message_of_a_run_arrives_when_it_is_due_however_far_away [KeepsRuns]
                a_message_that_waits_is_not_sent_again_under_its_name [KeepsRuns]
                with_the_end_of_a_run_its_waiting_messages_go [KeepsRuns]
                a_run_that_has_ended_can_go_on [KeepsRuns]
                a_history_is_read_page_by_page_in_its_order [KeepsRuns]
                runs_are_listed_by_each_filter_those_started_last_first [KeepsRuns]
                a_running_run_without_a_message_is_found [KeepsRuns]
            }
            engine {
                a_run_goes_its_way_to_the_end_although_every_message_comes_twice [KeepsRuns]
                an_action_whose_end_got_lost_is_asked_for_again_under_its_key [KeepsRuns]
                a_run_that_failed_is_taken_up_again_from_there [KeepsRuns]
                what_was_stopped_asks_for_nothing_more [KeepsRuns]
                a_run_whose_message_was_taken_away_is_picked_up [KeepsRuns]
            }
            workflows {
                a_run_is_started_once
                of_concurrent_starts_exactly_one_is_new
                the_same_input_in_another_order_is_the_same_run
                a_repeated_start_with_the_same_input_in_any_order_is_no_conflict
                a_name_that_is_taken_by_another_run_is_a_conflict
                a_run_tells_what_was_started_and_when
                a_run_that_was_never_started_is_not_there
                a_running_run_is_stopped_once_and_never_starts_again
                a_version_that_was_never_published_is_not_started
                the_history_of_a_run_tells_where_it_is [KeepsRuns]
                runs_are_listed_by_where_they_stand
            }
            blobs {
                bytes_come_back_as_they_were_stored
                a_missing_blob_is_told_by_its_key
                a_blob_over_the_callers_limit_is_refused_and_one_of_that_size_is_not
                storing_a_key_again_replaces_it
                every_valid_key_names_its_own_blob
                a_reader_never_sees_half_a_blob
                a_pointer_into_the_store_is_read_back_and_one_into_another_is_refused
            }
            protocol {
                an_unfit_body_is_dead_lettered_with_its_reason_and_the_rest_of_its_batch_is_handled
                an_event_that_is_published_three_times_is_handled_once
                a_failing_event_is_retried_until_it_works_or_its_attempts_are_used_up
                a_replayed_dead_letter_runs_again_and_what_is_done_or_in_doubt_does_not
                an_event_over_the_topics_limit_is_handled_like_any_other
                a_job_that_was_done_and_is_reopened_has_its_effect_once_more
            }
            hosts {
                a_worker_that_stops_gives_back_what_it_could_not_finish_and_no_attempt_is_used
                a_change_that_cannot_be_dealt_with_is_put_aside_and_the_stream_goes_on
            }
        }
    };
}

macro_rules! list {
    ($($group:ident { $($promise:ident $([$needs:ident])?)+ })+) => {
        /// All promises.
        pub const PROMISES: &[Promise] = &[$($(Promise {
            name: concat!(stringify!($group), "::", stringify!($promise)),
            needs: [$(Capability::$needs,)?].first().copied(),
            prove: |backend| Box::pin(super::$group::$promise(backend)),
        }),+),+];
    };
}

every_promise!(list);
