//! Which of Twilio's contents a WhatsApp template is.

use sendoff_producers::model::Channel;

use super::{
    TemplateError, TemplateProblems, Templates, place,
    whatsapp_file::{self, WhatsappFile},
};

impl Templates {
    /// These templates with the ids by which Twilio knows those for WhatsApp: `app-assigned/en=HX…, app-assigned/de=HX…`. They
    /// differ from one Twilio account to the next, so that no standard template can have one; without it Twilio sends none.
    ///
    /// # Errors
    ///
    /// [`TemplateProblems`] with everything that is wrong with the list.
    pub fn with_content_sids(mut self, list: &str) -> Result<Self, TemplateProblems> {
        let entries = list.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        let problems: Vec<_> = entries.filter_map(|entry| self.set_content_sid(entry).err()).collect();
        if problems.is_empty() { Ok(self) } else { Err(TemplateProblems(problems)) }
    }

    fn set_content_sid(&mut self, entry: &str) -> Result<(), TemplateError> {
        let parts = entry.split_once('=').and_then(|(key, sid)| Some((key.trim().split_once('/')?, sid.trim())));
        let Some(((name, locale), sid)) = parts else {
            let shown: String = entry.chars().take(80).collect();
            return Err(TemplateError::plain(&shown, "it is not written as `NAME/LOCALE=HX…`".into()));
        };
        let path = place::path(Channel::Whatsapp, name, locale, ".json");
        if !whatsapp_file::is_content_sid(sid) {
            return Err(TemplateError::plain(&path, whatsapp_file::NO_CONTENT_SID.into()));
        }
        // Says what there is instead, if there is no such template at all.
        self.language(Channel::Whatsapp, name, locale)?;
        match self.whatsapp.get_mut(&path) {
            Some(WhatsappFile { template: Some(_), content_sid, .. }) => {
                *content_sid = Some(sid.to_owned());
                Ok(())
            }
            Some(_) => Err(TemplateError::plain(&path, "it is free text, which has no ContentSid".into())),
            None => Err(TemplateError::plain(&path, "there is no such language of it".into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use sendoff_producers::model::Branding;

    use super::*;
    use crate::channels::whatsapp::WhatsappContent;

    const SID: &str = "HX0123456789abcdef0123456789abcdef";

    fn with(list: &str) -> Result<Templates, TemplateProblems> {
        let free = ("whatsapp/free/en.json".to_owned(), r#"{ "text": "Hi" }"#.to_owned());
        Templates::standard().unwrap().with_files([free]).unwrap().with_content_sids(list)
    }

    #[test]
    fn each_language_of_a_template_has_a_content_of_its_own() {
        let templates = with(&format!("app-assigned/en = {SID}, ,")).ok().unwrap();
        let sid = |locale| {
            let data = &crate::templates::samples().unwrap()[0].data;
            match templates.render_whatsapp("app-assigned", locale, data, &Branding::default()).ok().unwrap() {
                WhatsappContent::Template(template) => template.content_sid,
                WhatsappContent::Text(_) => panic!("free text"),
            }
        };
        assert_eq!((sid("en").as_deref(), sid("de")), (Some(SID), None));
    }

    #[test]
    fn everything_that_is_wrong_with_a_list_is_told_together() {
        let list = format!(
            "app-assigned={SID}, app-asigned/en={SID}, app-assigned/fr={SID}, app-assigned/de=HX12, free/en={SID}"
        );
        let problems = with(&list).err().unwrap();
        let problems: Vec<_> = problems.0.iter().map(|p| format!("{}: {}", p.template, p.problem)).collect();
        assert_eq!(
            problems,
            [
                &*format!("app-assigned={SID}: it is not written as `NAME/LOCALE=HX…`"),
                "whatsapp/app-asigned: there is no such template; did you mean `app-assigned`?",
                "whatsapp/app-assigned/fr.json: there is no such language of it",
                "whatsapp/app-assigned/de.json: `content_sid` is no id of Twilio's: `HX` and 32 hexadecimal digits",
                "whatsapp/free/en.json: it is free text, which has no ContentSid",
            ]
        );
    }
}
