//! A grant's row in the broken ledgers: what an exchange and a purge make of it.

use std::time::Duration;

use oauth_core::{
    Credential, CredentialKey, Exchange, Exchanged, Grant, SealedReply, StoreError, Timestamp, TokenHash,
};

use crate::ledger::Fault::{self, self as F};

#[derive(Clone)]
pub(crate) struct Row {
    pub(crate) grant: Grant,
    pub(crate) slots: Vec<Slot>,
}

#[derive(Clone)]
pub(crate) struct Slot {
    pub(crate) credential: Credential,
    pub(crate) spent: Option<Kept>,
}

#[derive(Clone)]
pub(crate) struct Kept {
    pub(crate) at: Timestamp,
    reply: Option<SealedReply>,
    successor: Option<TokenHash>,
}

impl Row {
    pub(crate) fn new(grant: &Grant) -> Self {
        Self { grant: grant.clone(), slots: Vec::new() }
    }

    pub(crate) fn position(&self, key: &CredentialKey) -> Option<usize> {
        self.slots.iter().position(|slot| slot.credential.key.hash == key.hash)
    }

    pub(crate) fn is_free(&self, credentials: &[Credential]) -> bool {
        credentials.iter().enumerate().all(|(at, credential)| {
            self.position(&credential.key).is_none()
                && credentials[..at].iter().all(|other| other.key != credential.key)
        })
    }

    /// Stores credentials in place of what has their hash.
    pub(crate) fn append(&mut self, credentials: &[Credential]) {
        for credential in credentials {
            let slot = Slot { credential: credential.clone(), spent: None };
            match self.position(&credential.key) {
                Some(taken) => self.slots[taken] = slot,
                None => self.slots.push(slot),
            }
        }
    }

    pub(crate) fn exchange(
        &mut self,
        exchange: &Exchange<'_>,
        fault: Fault,
    ) -> Result<Exchanged, StoreError> {
        if fault == F::StoresBeforeItLooks {
            self.append(exchange.issued);
        }
        if self.grant.revoked_at.is_some() && fault != F::IgnoresRevocation {
            return Ok(Exchanged::Gone);
        }
        let Some(at) = self.position(exchange.spent) else { return Ok(Exchanged::Gone) };
        if let Some(kept) = self.slots[at].spent.clone() {
            if let Some(reply) = self.retried(&kept, exchange, fault) {
                if fault == F::StoresWhatARetryBrings {
                    self.append(exchange.issued);
                }
                return Ok(Exchanged::Retried(reply));
            }
            if fault != F::ReplayBlind {
                self.grant.revoked_at = Some(if fault == F::IgnoresTheExchangesNow {
                    Timestamp::default()
                } else {
                    exchange.now
                });
            }
            return Ok(Exchanged::Replayed);
        }
        if fault == F::SpendsBeforeItChecks {
            self.spend(at, exchange, fault);
        }
        let looked_too_early = fault == F::StoresBeforeItLooks || fault == F::OverwritesHashes;
        if !looked_too_early && !self.is_free(exchange.issued) {
            return Err(StoreError::Conflict);
        }
        self.spend(at, exchange, fault);
        self.append(if fault == F::StoresOnlyTheFirst { &exchange.issued[..1] } else { exchange.issued });
        if fault == F::ForgetsWhatIsSpent {
            self.slots.remove(at);
        }
        Ok(Exchanged::Done)
    }

    fn spend(&mut self, at: usize, exchange: &Exchange<'_>, fault: Fault) {
        if fault == F::NeverSpends {
            return;
        }
        let first = self.slots.iter().find_map(|slot| slot.spent.as_ref()?.reply.clone());
        let kept =
            first.filter(|_| fault == F::KeepsOneReplyForAGrant).unwrap_or_else(|| exchange.reply.clone());
        self.slots[at].spent = Some(Kept {
            at: if fault == F::IgnoresTheExchangesNow { Timestamp::default() } else { exchange.now },
            reply: Some(kept),
            successor: exchange.successor().map(|key| key.hash),
        });
    }

    fn retried(&self, kept: &Kept, exchange: &Exchange<'_>, fault: Fault) -> Option<SealedReply> {
        let earlier = kept.reply.clone()?;
        let mut exchange = exchange.clone();
        match fault {
            F::HasNeverGrace => return None,
            F::HasAlwaysGrace => exchange.grace = Duration::from_secs(120),
            F::EndsGraceLate => exchange.grace += Duration::from_millis(1),
            F::MeasuresGraceOneWay => exchange.now = exchange.now.max(kept.at),
            F::IgnoresTheRequest => exchange.reply = earlier.clone(),
            _ => {}
        }
        let unspent = |hash: &TokenHash| {
            let successor = self.slots.iter().find(|slot| slot.credential.key.hash == *hash);
            successor.map_or(fault == F::TakesAForgottenSuccessorForUnspent, |slot| slot.spent.is_none())
        };
        let successor_is_unspent =
            kept.successor.as_ref().is_none_or(unspent) || fault == F::ForgetsTheSuccessor;
        let reply = if fault == F::AnswersWithTheNewReply { exchange.reply.clone() } else { earlier.clone() };
        (exchange.is_retry_of(kept.at, &earlier) && successor_is_unspent).then_some(reply)
    }

    /// Forgets credentials. How many.
    pub(crate) fn purge(&mut self, before: Timestamp, fault: Fault) -> usize {
        let had = self.slots.len();
        let mut later = false;
        self.slots.retain(|slot| {
            if std::mem::replace(&mut later, true) && fault == F::PurgesOnlyTheFirstCredential {
                return true;
            }
            let spent_too_long = fault == F::PurgesWhatIsSpent && slot.spent.is_some();
            !has_ended(slot.credential.expires_at, before, fault) && !spent_too_long
        });
        if fault == F::PurgesReplies {
            self.slots.iter_mut().filter_map(|slot| slot.spent.as_mut()).for_each(|kept| kept.reply = None);
        }
        had - self.slots.len()
    }

    pub(crate) fn is_over(&self, before: Timestamp, fault: Fault) -> bool {
        self.slots.is_empty()
            || has_ended(self.grant.expires_at, before, fault)
            || self.grant.revoked_at.is_some_and(|at| at < before)
    }
}

fn has_ended(end: Timestamp, before: Timestamp, fault: Fault) -> bool {
    end < before || (fault == F::PurgesWhatEndsNow && end == before)
}
